/* SPDX-License-Identifier: Apache-2.0 */
#include "ta_depthwise_mve.h"

#define MOST_ROWS 8
#define WORDS 3
#define FILTER_BYTES 16 /* of four rows, and of the zeros before them */

#define FILL(count, next)                                                                         \
    "wls lr, " count ", 2f\n"                                                                     \
    "vdup.8 q0, r0\n"                                                                             \
    "1:\n"                                                                                        \
    "vstrb.8 q0, [r5], #16\n"                                                                     \
    "vstrb.8 q0, [r5], #16\n"                                                                     \
    "vstrb.8 q0, [r5], #16\n"                                                                     \
    "vstrb.8 q0, [r5], #16\n" next                                                                \
    "le lr, 1b\n"                                                                                 \
    "2:\n"

#define LAY(next)                                                                                 \
    __asm__ volatile("push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n"                              \
                     "ldr r4, [r0, #36]\n"                                                        \
                     "ldm r0, {r5, r6, r7, r8, r9, r10, r11, r12}\n"                              \
                     "ldr r0, [r0, #32]\n"                                                        \
                     "vctp.8 r4\n"                                                                \
                     "3:\n"                                                                       \
                     "ldmia r9!, {r1, r2, r3, r4}\n"                                              \
                     "add r1, r7\n"                                                               \
                     "add r2, r7\n"                                                               \
                     "add r3, r7\n"                                                               \
                     "add r4, r7\n" FILL("r11", next)                                             \
                     "wls lr, r10, 5f\n"                                                          \
                     "4:\n"                                                                       \
                     "vpstttt\n"                                                                  \
                     "vldrbt.8 q0, [r1]\n"                                                        \
                     "vldrbt.8 q1, [r2]\n"                                                        \
                     "vldrbt.8 q2, [r3]\n"                                                        \
                     "vldrbt.8 q3, [r4]\n"                                                        \
                     "add r1, r6\n"                                                               \
                     "add r2, r6\n"                                                               \
                     "add r3, r6\n"                                                               \
                     "add r4, r6\n"                                                               \
                     "vst40.8 {q0, q1, q2, q3}, [r5]\n"                                           \
                     "vst41.8 {q0, q1, q2, q3}, [r5]\n"                                           \
                     "vst42.8 {q0, q1, q2, q3}, [r5]\n"                                           \
                     "vst43.8 {q0, q1, q2, q3}, [r5]!\n" next                                     \
                     "le lr, 4b\n"                                                                \
                     "5:\n" FILL("r12", next)                                                     \
                     "subs r8, #1\n"                                                              \
                     "bne 3b\n"                                                                   \
                     "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n")

/* 14 instructions for a column inside, 5 for one beside. */
__attribute__((naked, noinline)) void ta_lay_rows_mve(const ta_columns_mve *c
                                                      __attribute__((unused)))
{
    LAY("");
}

/* 15 and 6. */
__attribute__((naked, noinline)) void ta_lay_every_other_mve(const ta_columns_mve *c
                                                             __attribute__((unused)))
{
    LAY("add r5, #64\n");
}

/* Which columns of [x, x + count) are beside the input. */
static void find_edges(ta_columns_mve *c, const ta_conv_2d *op, int32_t x, int32_t count)
{
    const int32_t beyond = x + count - op->in_width;
    const int32_t before = x < 0 ? -x : 0;
    const int32_t after = beyond > 0 ? beyond : 0;
    c->before = before < count ? before : count;
    c->after = after < count ? after : count;
    c->inside = count - c->before - c->after;
    c->zero = c->before + c->after > 0 ? *op->zero_row : 0;
}

/* Where the outputs of tiles of `count` columns go, and which of them are beyond the tiles. */
static void place(ta_strip_mve *s, const ta_conv_2d *op, const ta_band_mve *band, int32_t count)
{
    const int32_t across = 4 / band->rows; /* outputs of four that are side by side */
    const int32_t channels = op->out_channels;
    const int32_t rest = count % (2 * across);
    uint32_t few = 0;
    uint32_t many = 0;
    for (int32_t lane = 0; lane < 4; ++lane) {
        const int32_t x = lane % across;
        const int32_t at = lane / across * op->out.pitch + x * channels;
        s->few_places[lane] = (uint32_t)at;
        s->places[2 * lane] = (uint16_t)at;
        s->places[2 * lane + 1] = (uint16_t)(at + across * channels);
        few |= x < rest ? 0xfu << 4 * lane : 0u;
        many |= x < rest ? 3u << 4 * lane : 0u;
        many |= across + x < rest ? 0xcu << 4 * lane : 0u;
        s->at[lane] = (uint32_t)(lane * band->lane_bytes + band->origin * band->column_bytes);
    }
    s->few_mask = rest <= across ? few : 0;
    s->many_mask = rest > across ? many : 0;
    s->tiles = count / (2 * across);
    s->tile_out = 2 * across * channels;
    const int32_t fours = 2 * s->tiles + (rest > 0) + (rest > across);
    const int32_t columns = (count - 1) * op->stride_w + op->kernel_w;
    s->band_in = (columns - fours * band->four_columns) * band->column_bytes;
    s->band_out = band->rows * op->out.pitch - s->tiles * s->tile_out;
}

/* Where the bytes of a filter of columns of eight rows come from: behind its taps is a zero. */
static void spread_taps(ta_strip_mve *s, const ta_conv_2d *op, int32_t columns)
{
    const int32_t taps = op->kernel_w * op->kernel_h;
    int32_t tap = 0;
    s->zeros[0] = s->zeros[1] = s->zeros[2] = 0;
    for (int32_t x = 0; x < columns; ++x) {
        for (int32_t y = 0; y < MOST_ROWS; ++y) {
            const bool is_tap = x < op->kernel_w && y < op->kernel_h;
            s->taps[x * MOST_ROWS + y] = (uint8_t)(is_tap ? tap++ : taps);
        }
    }
}

static int32_t bands_of(const ta_band_mve *band, int32_t height)
{
    return (height + band->rows - 1) / band->rows;
}

/* Of a band, the k-th of `bands`, the first of whose `count` input rows is rows[0]. */
static void point(const ta_band_mve *band, ta_window_mve *windows, int32_t bands, int32_t k,
                  const int8_t *const *rows, int32_t count)
{
    for (int32_t row = 0; row < band->fours * TA_ROWS_MVE; ++row) {
        /* Filters have zeros for the rows beyond the last. */
        windows[row / TA_ROWS_MVE * bands + k].rows[row % TA_ROWS_MVE] =
            rows[row < count ? row : count - 1];
    }
}

/* Makes columns [x, x + count) of `height` output rows under whose bands `windows` lie; scratch for
 * columns begins behind these. out: of column 0 of the first row. */
static void make(const ta_conv_2d *op, const ta_band_mve *band, ta_window_mve *windows,
                 int32_t height, int8_t *out, int32_t x, int32_t count)
{
    const int32_t channels = op->out_channels;
    const int32_t left = x * op->stride_w - op->pad_left;
    const int32_t bands = bands_of(band, height);
    ta_run_mve *const run = op->requant.floors ? band->by_floors : band->exactly;
    int8_t *const scratch = (int8_t *)(windows + band->fours * bands);
    ta_columns_mve c; /* no initialisers: those would be calls of memset */
    ta_strip_mve s;
    find_edges(&c, op, left, (count - 1) * op->stride_w + op->kernel_w);
    c.bands = bands;
    c.step = op->in_channels;
    place(&s, op, band, count);
    s.filter_bytes = FILTER_BYTES;
    int32_t filters_at = FILTER_BYTES;
    if (band->fours > 1) {
        spread_taps(&s, op, band->columns);
        s.filter_bytes = op->kernel_w * op->kernel_h + 1;
        filters_at = 0;
    }
    s.zero_point = op->requant.zero_point;
    s.bands = height / band->rows;
    s.back = height % band->rows == 0 ? 0 : -op->out.pitch;
    for (int32_t made = 0; made < channels; made += band->channels) {
        /* The last ones may be made again. */
        const bool fits = made + band->channels <= channels || made == 0;
        const int32_t first = fits ? made : channels - band->channels;
        c.offset = (left > 0 ? left : 0) * op->in_channels + (op->in_channels > 1 ? first : 0);
        c.channels = channels - first;
        for (int32_t four = 0; four < band->fours; ++four) {
            c.windows = windows + four * bands;
            c.to = scratch + four * TA_WORDS_BYTES_MVE;
            band->lay(&c);
        }
        s.filters = op->weights + filters_at + s.filter_bytes * first;
        s.words = op->bias + WORDS * first;
        s.out = out + x * channels + first;
        s.columns = scratch;
        s.channels = channels < band->channels ? channels : band->channels;
        run(&s);
    }
}

static ta_window_mve *windows_of(const ta_conv_2d *op)
{
    return (ta_window_mve *)((const int8_t **)op->scratch + op->kernel_h);
}

void ta_depthwise_row_mve(const ta_conv_2d *op, const ta_band_mve *band, const int8_t *const *rows,
                          int8_t *out, int32_t x_start, int32_t x_stop)
{
    const int32_t count = x_stop - x_start;
    ta_window_mve *const windows = windows_of(op);
    point(band, windows, 1, 0, rows, op->kernel_h);
    make(op, band, windows, 1, out, x_start, count);
    ta_clamp_s8_mve(&op->requant, out + x_start * op->out_channels, count * op->out_channels);
}

void ta_depthwise_strips_mve(const ta_conv_2d *op, const ta_band_mve *pairs,
                             const ta_band_mve *band, int32_t y_start, int32_t y_stop)
{
    ta_window_mve *const windows = windows_of(op);
    for (int32_t y = y_start; y < y_stop; y += op->stretch) {
        const int32_t height = y_stop - y < op->stretch ? y_stop - y : op->stretch;
        const ta_band_mve *const taken = pairs != NULL && height > 1 ? pairs : band;
        const int32_t bands = bands_of(taken, height);
        const int32_t under = op->kernel_h + (taken->rows - 1) * op->stride_h;
        int8_t *const out = ta_sink_row(&op->out, y);
        for (int32_t k = 0; k < bands; ++k) {
            /* The last band ends with the last row, where it may make one of the band before
             * again. */
            const int32_t row = taken->rows * (k + 1) <= height ? taken->rows * k
                                                                : height - taken->rows;
            const int8_t *rows[MOST_ROWS];
            ta_window(&op->in, op->zero_row, (y + row) * op->stride_h - op->pad_top,
                      op->dilation_h, under, rows);
            point(taken, windows, bands, k, rows, under);
        }
        make(op, taken, windows, height, out, 0, op->out_width);
        ta_clamp_s8_mve(&op->requant, out, height * op->out.pitch);
    }
}
