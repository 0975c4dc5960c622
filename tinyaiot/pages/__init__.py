"""Report pages: one self-contained HTML file each, and the same pictures as SVG and PNG.

How to make one:

    from tinyaiot.pages.charts import Bar, bars
    from tinyaiot.pages.page import Figure, Page, Section, Table, write_page

    errors = bars("Error by layer", "SQNR, dB", [Bar("0 CONV_2D", 31.5, "31.5"), ...])
    table = Table(("layer", "#SQNR, dB"), (("0 CONV_2D", "31.5"), ...))
    sections = (Section("Quantization error", (Figure(errors), table)),)
    write_page(path, Page("kws", "int8 beside float", command_line(), sections))

``command_line`` is in ``tinyaiot.commands.options``, as is what adds --html and --plot.
``charts`` has the pictures: ``bars``, ``plot`` (lines and points on two axes) and ``blocks``
(memory over time). Each is a function of frozen dataclasses to a ``Picture``, which is SVG; texts
are escaped there, so that names of models may hold anything. ``page`` lays pictures, tables and
facts out in sections; ``pictures`` writes pictures into files. The other modules are what pages
are made of. The same values give the same bytes. Nothing of a page comes from the network; it has
no scripts and no fonts of its own.
"""
