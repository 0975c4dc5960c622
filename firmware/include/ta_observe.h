/* SPDX-License-Identifier: Apache-2.0
 *
 * What the generated run function tells and asks the outside: which layer the work belongs
 * to, which rows are complete, and for rows of inputs that are not in memory as a whole.
 *
 * Marks are hint instructions, which do nothing on silicon. An emulator's plugin counts
 * instructions between them and leaves the marks themselves out; the sections .ta_marks
 * (not loaded) tell it which layer each TA_LAYER mark opens.
 *
 *   TA_BEGIN  counting starts         TA_LAYER(k)  what follows is layer k's
 *   TA_END    counting ends           TA_PAUSE     what follows does not count
 *                                     TA_RESUME    what follows counts, for no layer
 */
#ifndef TA_OBSERVE_H
#define TA_OBSERVE_H

#include <stdbool.h>

#include "ta_rows.h"

#if defined(__arm__)
/* Thumb's hint #9 to #13, whose mnemonic GNU as does not know. */
#define TA_HINT_BEGIN ".inst.n 0xbf90"
#define TA_HINT_END ".inst.n 0xbfa0"
#define TA_HINT_LAYER ".inst.n 0xbfb0"
#define TA_HINT_PAUSE ".inst.n 0xbfc0"
#define TA_HINT_RESUME ".inst.n 0xbfd0"
#elif defined(__riscv)
/* slti with rd = x0: the encodings that the ISA reserves for custom hints. */
#define TA_HINT_BEGIN "slti x0, x0, 9"
#define TA_HINT_END "slti x0, x0, 10"
#define TA_HINT_LAYER "slti x0, x0, 11"
#define TA_HINT_PAUSE "slti x0, x0, 12"
#define TA_HINT_RESUME "slti x0, x0, 13"
#endif

#ifdef TA_HINT_BEGIN
#define TA_BEGIN() __asm__ volatile(TA_HINT_BEGIN ::: "memory")
#define TA_END() __asm__ volatile(TA_HINT_END ::: "memory")
#define TA_PAUSE() __asm__ volatile(TA_HINT_PAUSE ::: "memory")
#define TA_RESUME() __asm__ volatile(TA_HINT_RESUME ::: "memory")
#define TA_LAYER(k)                                                              \
    __asm__ volatile("1: " TA_HINT_LAYER "\n"                                    \
                     ".pushsection .ta_marks, \"\", %%progbits\n"                \
                     ".4byte 1b, %c0\n"                                          \
                     ".popsection" ::"i"(k)                                      \
                     : "memory")
#else
#define TA_BEGIN() ((void)0)
#define TA_END() ((void)0)
#define TA_PAUSE() ((void)0)
#define TA_RESUME() ((void)0)
#define TA_LAYER(k) ((void)0)
#endif

/* Has what is computed from `value` computed here, not before a mark. */
#define TA_HERE(value) __asm__ volatile("" : "+r"(value))

/* Called by a model's run function, outside all counts; either may be NULL where the model
 * does not need it. Owned by the caller. */
typedef struct ta_observer ta_observer;
struct ta_observer {
    /* Rows [y_start, y_stop) of output `output` of layer `layer` are complete in `rows`;
     * each row has row_bytes bytes. Called before anything overwrites them. */
    void (*rows_done)(const ta_observer *self, int32_t layer, int32_t output,
                      const ta_sink *rows, int32_t row_bytes, int32_t y_start,
                      int32_t y_stop);
    /* Writes bytes [first, first + bytes) of row y of input `input` to row. Only models fed by
     * rows ask, and they cannot do without. For each input y is 0, 1, 2 and so on. A model
     * whose plan has strips asks for a part of each row, and for all rows once for each strip:
     * y begins at 0 again with another first. */
    void (*read_row)(const ta_observer *self, int32_t input, int32_t y, int32_t first,
                     int8_t *row, int32_t bytes);
};

/* What a layer completes. */
typedef struct ta_completion {
    const ta_sink *rows;
    int32_t row_bytes;
    int16_t layer;
    int16_t output;
} ta_completion;

/* What is told where nobody listens. It has an effect as far as the compiler knows, which thus
 * leaves the call. */
__attribute__((noinline, unused)) static void ta_nobody(const ta_observer *self, int32_t layer,
                                                        int32_t output, const ta_sink *rows,
                                                        int32_t row_bytes, int32_t y_start,
                                                        int32_t y_stop)
{
    (void)self, (void)layer, (void)output, (void)rows, (void)row_bytes, (void)y_start, (void)y_stop;
    __asm__ volatile("");
}

/* Tells the observer, if any, of rows of completion `k`; what it does does not count. It calls
 * something in any case: a compiler that saves registers only where there is a call would have what
 * counts depend on the observer. */
#ifndef __ARM_FEATURE_DSP /* where registers would be saved for it before the pause */
__attribute__((noinline))
#endif
__attribute__((unused)) static void ta_tell(const ta_observer *observer, const ta_completion *done,
                                            int32_t y_start, int32_t y_stop)
{
    const bool told = observer != NULL && observer->rows_done != NULL;
    (told ? observer->rows_done : ta_nobody)(observer, done->layer, done->output, done->rows,
                                             done->row_bytes, y_start, y_stop);
}

/* Out of line: generated code calls one of these for every layer; this one for every row of some,
 * after a pause of their own, so that handing it over does not count either. */
__attribute__((noinline, unused)) static void ta_some_done(const ta_observer *observer,
                                                           const ta_completion *completions,
                                                           int32_t k, int32_t y_start,
                                                           int32_t y_stop)
{
    ta_tell(observer, &completions[k], y_start, y_stop);
}

__attribute__((noinline, unused)) static void ta_all_done(const ta_observer *observer,
                                                          const ta_completion *completions,
                                                          int32_t k)
{
    TA_PAUSE();
    ta_tell(observer, &completions[k], 0, completions[k].rows->height);
    TA_RESUME();
}

/* Rows [y_start, y_stop) of completion `k` are complete: a shorter call where they are known to be
 * all. */
static inline void ta_rows_done(const ta_observer *observer, const ta_completion *completions,
                                int32_t k, int32_t y_start, int32_t y_stop)
{
    if (__builtin_constant_p(y_stop) && y_start == 0 && y_stop == completions[k].rows->height) {
        ta_all_done(observer, completions, k);
    } else {
        TA_PAUSE();
        ta_some_done(observer, completions, k, y_start, y_stop);
        TA_RESUME();
    }
}

/* Has bytes [first, first + bytes) of rows [y_start, y_stop) of an input written to `rows`,
 * outside all counts. */
static inline void ta_read_rows(const ta_observer *observer, int32_t input, const ta_sink *rows,
                                int32_t first, int32_t bytes, int32_t y_start, int32_t y_stop)
{
    TA_PAUSE();
    for (int32_t y = y_start; y < y_stop; ++y) {
        observer->read_row(observer, input, y, first, ta_sink_row(rows, y), bytes);
    }
    TA_RESUME();
}

#endif
