"""``python -m tinyaiot``: the command line."""

from tinyaiot.cli import main

main()
