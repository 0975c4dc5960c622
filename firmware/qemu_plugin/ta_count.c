/* SPDX-License-Identifier: Apache-2.0
 *
 * A TCG plugin that counts the instructions between the marks of ta_observe.h, exactly.
 *
 * Instructions are added up a translation block at a time, when the block is entered; where a
 * mark executes, what is left of its block has been added too early and is subtracted. That is
 * exact while no exception leaves a block half-way, and this firmware takes no interrupts.
 *
 * Argument: out=FILE. For each TA_END one line is appended to it before the guest goes on:
 *
 *   run TOTAL ADDRESS:COUNT ADDRESS:COUNT ..
 *
 * in decimal, with the address of each TA_LAYER mark that opened counted work; 0 stands for what
 * came before the first.
 *
 * Argument: blocks=FILE, for a histogram. With each TA_END the file is written anew, a line
 *
 *   LAYER ADDRESS INSTRUCTIONS EXECUTED LEFT
 *
 * for each translation block that was entered while a layer (by the address of its mark) was
 * counted: LEFT is how often what came next was not what lies behind it. Blocks that hold a mark
 * count as a whole for what was counted before it.
 *
 * QEMU ends when its standard input does, so that it does not outlive the program that started
 * it and holds the other end.
 *
 * TA_PLUGIN_API: the version of QEMU's plugin interface: 1 up to QEMU 8, 2 for 9.0, 3 from 9.1.
 * What is used of it is declared here, since distributions do not package its header.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;

/* Only the head of it, which no version has changed. */
struct qemu_info {
    const char *target_name;
};

enum { NO_REGISTERS = 0 };

typedef void block_translated(uint64_t plugin, struct qemu_plugin_tb *block);
typedef void executed(unsigned int cpu, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t plugin, block_translated *callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, executed *callback,
                                          int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction,
                                            executed *callback, int flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block,
                                                 size_t index);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
#if TA_PLUGIN_API >= 3
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction, void *data,
                             size_t size);
#else
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
#endif

#define EXPORT __attribute__((visibility("default")))

EXPORT extern int qemu_plugin_version;
EXPORT int qemu_plugin_version = TA_PLUGIN_API;
EXPORT int qemu_plugin_install(uint64_t plugin, const struct qemu_info *info, int argument_count,
                               char **arguments);

typedef enum mark_kind {
    NO_MARK = 0,
    BEGIN = 9,
    END = 10,
    LAYER = 11,
    PAUSE = 12,
    RESUME = 13
} mark_kind;

/* Where counts go: one for each TA_LAYER mark, and one for what belongs to no layer. */
typedef struct site {
    struct site *next;
    uint64_t address;
    uint64_t count;
} site;

/* A mark in a translated block; lives as long as QEMU, as the block may. */
typedef struct mark {
    mark_kind kind;
    uint64_t from_here_on; /* instructions of the block, the mark included */
    site *layer;           /* of a TA_LAYER mark */
} mark;

/* How often a block was entered for one site. */
typedef struct tally {
    struct tally *next;
    const site *at;
    uint64_t executed;
    uint64_t left;
} tally;

typedef struct block {
    struct block *next;
    uint64_t address;
    uint64_t end;
    size_t count;
    tally *tallies;
} block;

static bool is_arm;
static FILE *out;
static const char *blocks_path; /* NULL without a histogram */
static block *blocks;
static const block *last_block;
static tally *last_tally;
static site no_layer;
static site *const sites = &no_layer;

static uint64_t entered; /* instructions of all blocks entered so far */
static bool running;     /* between TA_BEGIN and TA_END */
static site *current;    /* NULL while nothing is counted */
static uint64_t counted_up_to;

static void *allocate(size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static void write_run(void)
{
    uint64_t total = 0;
    for (const site *s = sites; s != NULL; s = s->next) {
        total += s->count;
    }
    fprintf(out, "run %llu", (unsigned long long)total);
    for (const site *s = sites; s != NULL; s = s->next) {
        if (s->count > 0) {
            fprintf(out, " %llu:%llu", (unsigned long long)s->address,
                    (unsigned long long)s->count);
        }
    }
    fputc('\n', out);
    fflush(out);
}

static void write_blocks(void)
{
    FILE *file = fopen(blocks_path, "w");
    if (file == NULL) {
        perror("ta_count: cannot write the blocks");
        exit(EXIT_FAILURE);
    }
    for (const block *b = blocks; b != NULL; b = b->next) {
        for (const tally *t = b->tallies; t != NULL; t = t->next) {
            if (t->executed > 0) {
                fprintf(file, "%llu %llu %zu %llu %llu\n", (unsigned long long)t->at->address,
                        (unsigned long long)b->address, b->count,
                        (unsigned long long)t->executed, (unsigned long long)t->left);
            }
        }
    }
    fclose(file);
}

static void clear_blocks(void)
{
    for (block *b = blocks; b != NULL; b = b->next) {
        for (tally *t = b->tallies; t != NULL; t = t->next) {
            t->executed = 0;
            t->left = 0;
        }
    }
    last_tally = NULL;
}

static void begin_run(void)
{
    clear_blocks();
    for (site *s = sites; s != NULL; s = s->next) {
        s->count = 0;
    }
    running = true;
    current = &no_layer;
}

static void end_run(void)
{
    if (running && blocks_path != NULL) {
        write_blocks();
    }
    if (running) {
        write_run();
    }
    running = false;
    current = NULL;
}

static void on_block(unsigned int cpu, void *instructions)
{
    (void)cpu;
    entered += (uintptr_t)instructions;
}

static tally *tally_of(block *b)
{
    tally *t = b->tallies;
    while (t != NULL && t->at != current) {
        t = t->next;
    }
    if (t == NULL) {
        t = allocate(sizeof *t);
        t->at = current;
        t->next = b->tallies;
        b->tallies = t;
    }
    return t;
}

/* Called before `on_mark` of what the block holds. */
static void on_block_of_histogram(unsigned int cpu, void *data)
{
    block *b = data;
    (void)cpu;
    if (last_tally != NULL && last_block->end != b->address) {
        last_tally->left += 1;
    }
    last_block = b;
    last_tally = current == NULL ? NULL : tally_of(b);
    if (last_tally != NULL) {
        last_tally->executed += 1;
    }
}

static void on_mark(unsigned int cpu, void *data)
{
    const mark *m = data;
    const uint64_t executed_before = entered - m->from_here_on;
    (void)cpu;
    if (current != NULL) {
        current->count += executed_before - counted_up_to;
    }
    counted_up_to = executed_before + 1; /* the mark itself is not counted */
    switch (m->kind) {
    case BEGIN:
        begin_run();
        break;
    case END:
        end_run();
        break;
    case LAYER:
        current = running ? m->layer : NULL;
        break;
    case RESUME:
        current = running ? &no_layer : NULL;
        break;
    default:
        current = NULL;
        break;
    }
}

static site *site_at(uint64_t address)
{
    site *s = sites;
    while (s->address != address && s->next != NULL) {
        s = s->next;
    }
    if (s->address != address) {
        s->next = allocate(sizeof *s);
        s = s->next;
        s->address = address;
    }
    return s;
}

/* The first four bytes. QEMU may give more than the instruction: at the end of a page it also
 * reads what follows. */
static uint32_t first_bytes(const struct qemu_plugin_insn *instruction)
{
    uint8_t bytes[4] = {0};
    const size_t size = qemu_plugin_insn_size(instruction);
    const size_t count = size < sizeof bytes ? size : sizeof bytes;
#if TA_PLUGIN_API >= 3
    qemu_plugin_insn_data(instruction, bytes, count);
#else
    memcpy(bytes, qemu_plugin_insn_data(instruction), count);
#endif
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

/* Thumb: hint #n is 0xbf00 | n << 4, which starts no longer instruction.
 * RISC-V: slti x0, x0, n is n << 20 | 0x2013. */
static mark_kind kind_of(const struct qemu_plugin_insn *instruction)
{
    const uint32_t code = first_bytes(instruction);
    const uint32_t number = is_arm ? (code >> 4) & 15u : code >> 20;
    const bool is_hint = is_arm ? (code & 0xff0fu) == 0xbf00u : (code & 0xfffffu) == 0x2013u;
    return is_hint && number >= BEGIN && number <= RESUME ? (mark_kind)number : NO_MARK;
}

/* Bytes of a Thumb or RISC-V instruction, as its beginning says. */
static uint64_t length_of(const struct qemu_plugin_insn *instruction)
{
    const uint32_t code = first_bytes(instruction);
    const bool is_long = is_arm ? (code >> 11 & 31u) >= 29u : (code & 3u) == 3u;
    return is_long ? 4 : 2;
}

static block *block_of(struct qemu_plugin_tb *translated, size_t count)
{
    const struct qemu_plugin_insn *first = qemu_plugin_tb_get_insn(translated, 0);
    const struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(translated, count - 1);
    block *b = allocate(sizeof *b);
    b->address = qemu_plugin_insn_vaddr(first);
    b->end = qemu_plugin_insn_vaddr(last) + length_of(last);
    b->count = count;
    b->next = blocks;
    blocks = b;
    return b;
}

static void on_translation(uint64_t plugin, struct qemu_plugin_tb *translated)
{
    const size_t count = qemu_plugin_tb_n_insns(translated);
    (void)plugin;
    qemu_plugin_register_vcpu_tb_exec_cb(translated, on_block, NO_REGISTERS,
                                         (void *)(uintptr_t)count);
    if (blocks_path != NULL) {
        qemu_plugin_register_vcpu_tb_exec_cb(translated, on_block_of_histogram, NO_REGISTERS,
                                             block_of(translated, count));
    }
    for (size_t k = 0; k < count; ++k) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(translated, k);
        const mark_kind kind = kind_of(instruction);
        if (kind == NO_MARK) {
            continue;
        }
        mark *m = allocate(sizeof *m);
        m->kind = kind;
        m->from_here_on = count - k;
        m->layer = kind == LAYER ? site_at(qemu_plugin_insn_vaddr(instruction)) : NULL;
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_mark, NO_REGISTERS, m);
    }
}

static void *end_with_input(void *unused)
{
    char byte;
    (void)unused;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    _exit(EXIT_SUCCESS);
}

int qemu_plugin_install(uint64_t plugin, const struct qemu_info *info, int argument_count,
                        char **arguments)
{
    pthread_t watcher;
    is_arm = strncmp(info->target_name, "arm", 3) == 0;
    if (argument_count < 1 || strncmp(arguments[0], "out=", 4) != 0) {
        fprintf(stderr, "ta_count: give out=FILE\n");
        return -1;
    }
    if (argument_count > 1 && strncmp(arguments[1], "blocks=", 7) == 0) {
        blocks_path = strdup(arguments[1] + 7);
    }
    out = fopen(arguments[0] + 4, "a");
    if (out == NULL) {
        perror("ta_count: cannot write the counts");
        return -1;
    }
    if (pthread_create(&watcher, NULL, end_with_input, NULL) != 0) {
        fprintf(stderr, "ta_count: cannot start a thread\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(plugin, on_translation);
    return 0;
}
