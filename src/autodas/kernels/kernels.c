/*
 * Candidates that read a state of a relaxed cell, over channels-last maps: units of depthwise convolution,
 * pointwise convolution and batch moments, dense convolutions, and the weighted sums that mix them.
 *
 * Library calls for depthwise convolutions on small maps cost ten times their arithmetic, especially in the
 * backward pass; and between library calls every map goes through memory. Here an image passes through a unit
 * while it is in the cache. Channels are contiguous, so that a vector register holds several of them and
 * windows need no shuffling. Only the outputs of pointwise convolutions are kept for the backward pass.
 *
 * Maps: (images, rows, columns, channels); for clips the images are frames, those of a clip consecutive.
 * Weights in torch's layout: depthwise (channels, window * window), temporal (channels, window), pointwise
 * (outputs, inputs); dense with channels last, (outputs, window, window, inputs). Channels are even. Windows and
 * dilations in space are those listed in kernels_lanes.h, strides are 1 or 2.
 *
 * Every function returns 0, or OUT_OF_MEMORY without having written anything; those that call several others
 * (state.h, projection.h) may then have written a part. Memory for all threads is allocated before they start: nothing
 * can fail inside a parallel region.
 */

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define NAME(f) JOIN(JOIN(f, _), LANES)
#define VEC JOIN(vec, LANES)
#define IVEC JOIN(ivec, LANES)
#define UNROLL _Pragma("GCC unroll 32")
#define MOST 16 /* pixels read by adjacent outputs, in the largest form */

/* Floats of a vector register. Vectors wider than a register are kept in memory by GCC, four times slower. */
#if defined(__AVX512F__)
#define WIDEST 16
#elif defined(__AVX2__)
#define WIDEST 8
#else
#define WIDEST 4
#endif

/* Adjacent outputs of a depthwise convolution that fit in the registers, with its weights. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define STRIP 16
#else
#define STRIP 8
#endif

/* Move a pointer. Compilers would compute the addresses of all steps beforehand, and keep them in memory. */
#define STEP(pointer, distance) ({ pointer += (distance); __asm__("" : "+r"(pointer)); })

/* Pixels ahead that are fetched from memory where several maps are read at once: processors do so within a page. */
#define PIXELS_AHEAD 24

/* Maps that are read next, or null. */
typedef struct {
    const float *one, *other;
} Ahead;

#define NOTHING_AHEAD (Ahead){NULL, NULL}

/* Tiles of 4x4 pixels of maps (winograd.h): rows and columns of a map, tiles across it, and in each of them. */
typedef struct {
    long rows, columns, across, each;
} Tiles;

/* The part of each of the up to three neighbours of a pixel along a line of a map, itself included. */
static float part_of_neighbour(int place, int size)
{
    return 1.f / (1 + (place > 0) + (place < size - 1));
}

#define IF_LEFT(lanes, f, ...)    \
    if (channels - c >= lanes) {  \
        f##_##lanes(__VA_ARGS__); \
        c += lanes;               \
        continue;                 \
    }

#if WIDEST >= 16
#define LANES 16
#include "kernels_lanes.h"
#undef LANES
#define IF_16_LEFT(...) IF_LEFT(16, __VA_ARGS__)
#else
#define IF_16_LEFT(...)
#endif
#if WIDEST >= 8
#define LANES 8
#include "kernels_lanes.h"
#undef LANES
#define IF_8_LEFT(...) IF_LEFT(8, __VA_ARGS__)
#else
#define IF_8_LEFT(...)
#endif
#define LANES 4
#include "kernels_lanes.h"
#undef LANES
#define LANES 2
#include "kernels_lanes.h"
#undef LANES

/* Run f for blocks of channels, widest first. */
#define FOR_CHANNEL_BLOCKS(f, ...)    \
    for (long c = 0; c < channels;) { \
        IF_16_LEFT(f, __VA_ARGS__)    \
        IF_8_LEFT(f, __VA_ARGS__)     \
        IF_LEFT(4, f, __VA_ARGS__)    \
        IF_LEFT(2, f, __VA_ARGS__)    \
    }

/* Run f for blocks of channels, pairs of the widest vectors first: f has a form for both. */
#define FOR_CHANNEL_PAIRS(f, ...)                  \
    for (long c = 0; c < channels;) {              \
        if (channels - c >= 2 * WIDEST) {          \
            JOIN(f##_pair_, WIDEST)(__VA_ARGS__);  \
            c += 2 * WIDEST;                       \
            continue;                              \
        }                                          \
        IF_16_LEFT(f, __VA_ARGS__)                 \
        IF_8_LEFT(f, __VA_ARGS__)                  \
        IF_LEFT(4, f, __VA_ARGS__)                 \
        IF_LEFT(2, f, __VA_ARGS__)                 \
    }

#define OUT_OF_MEMORY 1
#define EPSILON 1e-5f /* summand to the variance, as in torch's batch normalisation */

/* Number of floats rounded up to whole cache lines, so that vector loads do not straddle them. */
static long whole(long floats)
{
    return (floats + 15) / 16 * 16;
}

/* Zeroed memory in whole cache lines, or null; it is divided into pieces of whole(size) floats. */
static float *lines(long floats)
{
    size_t bytes = sizeof(float) * whole(floats > 0 ? floats : 1);
    float *memory = aligned_alloc(64, bytes);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

/* For each tap t of group g's window in time around a frame: the frame f that it reads, if there is one. */
#define FOR_TAPS_IN_TIME(f, t)                                                      \
    for (long t = 0, f = frame - reach[g] / 2; t < reach[g]; t++, f++)              \
        if (f >= 0 && f < frames)

static long sum_of(const int *numbers, int count)
{
    long sum = 0;
    for (int i = 0; i < count; i++)
        sum += numbers[i];
    return sum;
}

/* Sizes shared by the units that read one map. */
typedef struct {
    long channels, rows, columns, out_rows, out_columns; /* of one map, before and after the stride */
    long map, out_map, out_pixels;                       /* sizes of one image */
    long padding, row, padded;                           /* of the copy with zero borders */
    long strip;                                          /* rows of outputs that fit in the first-level cache */
    long taps;                                           /* of all windows */
} Shape;

static Shape shape_of(int rows, int columns, int channels, int groups, const int *kernel, const int *dilation,
                      int stride)
{
    Shape s = {.channels = channels, .rows = rows, .columns = columns};
    s.out_rows = (rows + stride - 1) / stride;
    s.out_columns = (columns + stride - 1) / stride;
    s.out_pixels = s.out_rows * s.out_columns;
    s.map = s.rows * s.columns * s.channels;
    s.out_map = s.out_pixels * s.channels;
    for (int g = 0; g < groups; g++) {
        long padding = dilation[g] * (kernel[g] / 2);
        s.padding = padding > s.padding ? padding : s.padding;
        s.taps += kernel[g] * kernel[g];
    }
    s.row = (s.columns + 2 * s.padding) * s.channels;
    if (s.row % 1024 == 0)
        s.row += 16; /* rows a page apart would evict each other from the cache */
    s.padded = (s.rows + 2 * s.padding) * s.row;
    s.strip = 4096 / (s.out_columns * s.channels);
    s.strip = s.strip < 1 ? 1 : s.strip;
    return s;
}

/* Position of the first tap of a window in the padded copy. */
static long origin(const Shape *s, int kernel, int dilation)
{
    long border = s->padding - dilation * (kernel / 2);
    return border * s->row + border * s->channels;
}

/* Whether maps of so many numbers are not in the cache any more when they are read: then fetching ahead pays. */
static int leave_the_cache(long floats)
{
    return floats > 1 << 19;
}

/* (channels, taps) to (taps, channels) for every group; mirrored for the gradient of the input. */
static void turn(const float *const *weight, const int *taps, int groups, long channels, int mirrored, float *turned)
{
    for (int g = 0; g < groups; g++) {
        for (int t = 0; t < taps[g]; t++)
            for (long c = 0; c < channels; c++)
                turned[t * channels + c] = weight[g][c * taps[g] + (mirrored ? taps[g] - 1 - t : t)];
        turned += taps[g] * channels;
    }
}

/* The inverse of turn. */
static void turn_back(const float *turned, const int *taps, int groups, long channels, float *weight)
{
    for (int g = 0; g < groups; g++) {
        for (int t = 0; t < taps[g]; t++)
            for (long c = 0; c < channels; c++)
                weight[c * taps[g] + t] = turned[t * channels + c];
        turned += taps[g] * channels;
        weight += taps[g] * channels;
    }
}

/* (outputs, inputs) to (inputs, outputs). */
static void turn_pointwise(const float *const *weight, int groups, long channels, float *turned)
{
    for (int g = 0; g < groups; g++, turned += channels * channels)
        for (long i = 0; i < channels; i++)
            for (long o = 0; o < channels; o++)
                turned[i * channels + o] = weight[g][o * channels + i];
}

/* Copy a map into the zero borders: relu(scale * x + shift). */
static void pad_input(const Shape *s, const float *x, const float *scale, const float *shift, float *padded)
{
    long channels = s->channels;
    for (long y = 0; y < s->rows; y++) {
        const float *from = x + y * s->columns * s->channels;
        float *to = padded + (y + s->padding) * s->row + s->padding * s->channels;
        if (scale)
            FOR_CHANNEL_BLOCKS(rectify, from + c, s->columns, channels, scale + c, shift + c, to + c)
        else
            for (long i = 0; i < s->columns * s->channels; i++)
                to[i] = from[i] < 0 ? 0 : from[i];
    }
}

/* Add a map of gradients to another where the ReLU of x was active, or write it. */
static void add_masked(long size, const float *x, const float *gradient, int add, float *sum)
{
    if (add)
        for (long i = 0; i < size; i++)
            sum[i] += x[i] > 0 ? gradient[i] : 0;
    else
        for (long i = 0; i < size; i++)
            sum[i] = x[i] > 0 ? gradient[i] : 0;
}

/* Zero gradients where the ReLU was inactive. */
static void mask_gradient(const Shape *s, const float *x, const float *scale, const float *shift, float *gradient)
{
    long channels = s->channels;
    if (scale)
        FOR_CHANNEL_BLOCKS(mask, x + c, s->rows * s->columns, channels, scale + c, shift + c, gradient + c)
    else
        for (long i = 0; i < s->map; i++)
            gradient[i] = x[i] > 0 ? gradient[i] : 0;
}

#define BLOCK 16 /* channels whose sums fit in the registers */

/* Mean and biased variance over all images, from those of each; in the order of images, for reproducible bits. */
static void join_moments(const float *means, const float *deviations, long images, long pitch, long pixels,
                         long channels, float *mean, float *variance)
{
    for (long first = 0; first < channels; first += BLOCK) {
        long count = channels - first < BLOCK ? channels - first : BLOCK;
        double m[BLOCK] = {0}, d[BLOCK] = {0};
        for (long i = 0; i < images; i++)
            for (long c = 0; c < count; c++)
                m[c] += means[i * pitch + first + c];
        for (long c = 0; c < count; c++)
            m[c] /= images;
        for (long i = 0; i < images; i++)
            for (long c = 0; c < count; c++) {
                double gap = means[i * pitch + first + c] - m[c];
                d[c] += deviations[i * pitch + first + c] + gap * gap * pixels;
            }
        for (long c = 0; c < count; c++) {
            mean[first + c] = m[c];
            variance[first + c] = d[c] / ((double)images * pixels);
        }
    }
}

/*
 * out[g] = pointwise[g] (depthwise[g] (r) + temporal[g] (r)) with r = relu(scale * x + shift), and its moments.
 *
 * shared: all groups read the single map x; otherwise group g reads the g-th of several consecutive maps, and
 * the g-th row of scale and shift. scale may be null. Outputs are consecutive and have
 * (size + stride - 1) / stride rows; step is the stride in time. area: taps of each group's window in space,
 * reach: in time, 0 for groups without one. mean, variance: (groups, channels), or null if they are not needed.
 */
int autodas_units_forward(const float *x, int clips, int frames, int rows, int columns, int channels_, int groups,
                          int shared, const int *kernel, const int *area, const int *dilation, const int *reach,
                          int stride, int step, const float *const *depthwise, const float *const *pointwise,
                          const float *const *temporal, const float *scale, const float *shift, float *out,
                          float *mean, float *variance)
{
    Shape s = shape_of(rows, columns, channels_, groups, kernel, dilation, stride);
    long channels = s.channels, square = channels * channels, pitch = groups * channels;
    long line = s.out_columns * channels, row = stride * s.columns * channels, pixel = stride * channels;
    long out_frames = (frames + step - 1) / step, images = clips * out_frames;
    int fetched = leave_the_cache(s.out_map * groups * images);
    long own_size = whole(s.padded) + whole(s.strip * line); /* of one thread */
    long of_taps = whole(s.taps * channels), of_times = whole(sum_of(reach, groups) * channels);
    long of_mixers = whole(groups * square), of_moments = whole(2 * images * pitch);
    float *taps = lines(of_taps + of_times + of_mixers + of_moments + omp_get_max_threads() * own_size);
    if (!taps)
        return OUT_OF_MEMORY;
    float *times = taps + of_taps, *mixers = times + of_times, *means = mixers + of_mixers;
    float *deviations = means + images * pitch, *scratch = means + of_moments;
    turn(depthwise, area, groups, channels, 0, taps);
    turn(temporal, reach, groups, channels, 0, times);
    turn_pointwise(pointwise, groups, channels, mixers);
#pragma omp parallel
    {
        float *padded = scratch + omp_get_thread_num() * own_size, *features = padded + whole(s.padded);
#pragma omp for schedule(static)
        for (long image = 0; image < images; image++) {
            const float *tap = taps, *time = times;
            long frame = image % out_frames * step;
            for (int g = 0; g < groups; g++) {
                long own = shared ? 0 : g, place = image * pitch + g * channels;
                const float *s_own = scale ? scale + own * channels : NULL, *t_own = scale ? shift + own * channels : NULL;
                const float *clip = x + (own * clips + image / out_frames) * frames * s.map;
                float *u = out + ((long)g * images + image) * s.out_map;
                Ahead ahead = {fetched && !shared && g + 1 < groups ? clip + (clips * frames + frame) * s.map : NULL, NULL};
                if (!shared || g == 0)
                    pad_input(&s, clip + frame * s.map, s_own, t_own, padded);
                const float *in = padded + origin(&s, kernel[g], dilation[g]);
                for (long y = 0; y < s.out_rows; y += s.strip) {
                    long count = s.out_rows - y < s.strip ? s.out_rows - y : s.strip;
                    FOR_CHANNEL_BLOCKS(correlate_any, kernel[g], dilation[g], stride, 1, in + y * stride * s.row + c,
                                       s.row, channels, tap + c, channels, features + c, line, channels, count,
                                       s.out_columns, y, s.rows, 0)
                    FOR_TAPS_IN_TIME(f, t)
                        FOR_CHANNEL_BLOCKS(add_frame, clip + f * s.map + y * row + c, row, pixel,
                                           s_own ? s_own + c : NULL, t_own ? t_own + c : NULL,
                                           time + t * channels + c, features + c, channels, count, s.out_columns)
                    FOR_CHANNEL_PAIRS(product, features, count * s.out_columns, channels, mixers + g * square + c,
                                      channels, u + y * line + c, channels, ahead, y * line + c)
                }
                if (mean)
                    FOR_CHANNEL_BLOCKS(moments, u + c, s.out_pixels, channels, means + place + c,
                                       deviations + place + c)
                tap += area[g] * channels;
                time += reach[g] * channels;
            }
        }
    }
    if (mean)
        for (int g = 0; g < groups; g++)
            join_moments(means + g * channels, deviations + g * channels, images, pitch, s.out_pixels, channels,
                         mean + g * channels, variance + g * channels);
    free(taps);
    return 0;
}

/*
 * Gradients of autodas_units_forward, for a gradient a * upstream + b * out + d of its outputs.
 *
 * upstream: a map for each group. a, b, d: (groups, channels). input_gradient: that of the argument of the
 * ReLU; summed over groups if they share x. weight_gradient: those of the depthwise weights of all groups, then of the
 * pointwise and of the temporal ones, each in the layout of the weights; null if they are not needed.
 */
int autodas_units_backward(const float *x, int clips, int frames, int rows, int columns, int channels_, int groups,
                           int shared, const int *kernel, const int *area, const int *dilation, const int *reach,
                           int stride, int step, const float *const *depthwise, const float *const *pointwise,
                           const float *const *temporal, const float *scale, const float *shift, const float *out,
                           const float *const *upstream, const float *a, const float *b, const float *d,
                           float *input_gradient, float *weight_gradient)
{
    Shape s = shape_of(rows, columns, channels_, groups, kernel, dilation, stride);
    long channels = s.channels, square = channels * channels, line = s.out_columns * channels;
    long row = stride * s.columns * channels, pixel = stride * channels, out_frames = (frames + step - 1) / step;
    long size_taps = s.taps * channels, size_times = sum_of(reach, groups) * channels;
    long weights = size_taps + size_times + groups * square;
    int wanted = weight_gradient != NULL, fetched = leave_the_cache(s.out_map * groups * clips * out_frames);
    long of_taps = whole(size_taps), of_times = whole(size_times);
    long of_padded = whole(s.padded), of_strip = whole(s.strip * line);
    long own_size = 2 * of_padded + 2 * of_strip + (wanted ? whole(weights) : 0); /* of one thread */
    float *taps = lines(2 * of_taps + of_times + whole(weights) + omp_get_max_threads() * own_size);
    if (!taps)
        return OUT_OF_MEMORY;
    float *mirrored = taps + of_taps, *times = mirrored + of_taps, *total = times + of_times;
    float *scratch = total + whole(weights);
    if (wanted)
        turn(depthwise, area, groups, channels, 0, taps);
    turn(depthwise, area, groups, channels, 1, mirrored);
    turn(temporal, reach, groups, channels, 0, times);
#pragma omp parallel
    {
        float *padded = scratch + omp_get_thread_num() * own_size, *spread = padded + of_padded;
        float *features = spread + of_padded, *gradient = features + of_strip, *mine = gradient + of_strip;
        float *of_mixers = mine + size_taps + size_times;
        /* With a stride the gradients of outputs are separated by zeros, which remain. */
        float *inside = spread + s.padding * s.row + s.padding * channels;
        long up_row = stride * s.row, up_pixel = stride * channels;
        /* Clip by clip: windows in time contribute to the gradients of other frames. */
#pragma omp for schedule(static)
        for (int number = 0; number < clips; number++) {
            for (int g = 0; frames > 1 && g < (shared ? 1 : groups); g++)
                memset(input_gradient + ((long)g * clips + number) * frames * s.map, 0, sizeof(float) * frames * s.map);
            for (long target = 0; target < out_frames; target++) {
                long done = 0, passed = 0, image = number * out_frames + target, frame = target * step;
                for (int g = 0; g < groups; g++) {
                    long own = shared ? 0 : g, place = (own * clips + number) * frames * s.map, at = place + frame * s.map;
                    const float *s_own = scale ? scale + own * channels : NULL;
                    const float *t_own = scale ? shift + own * channels : NULL;
                    const float *u = out + ((long)g * clips * out_frames + image) * s.out_map, *mixer = pointwise[g];
                    const float *up = upstream[g] + image * s.out_map;
                    long from = origin(&s, kernel[g], dilation[g]), of_group = g * channels;
                    if (wanted && (!shared || g == 0))
                        pad_input(&s, x + at, s_own, t_own, padded);
                    for (long y = 0; y < s.out_rows; y += s.strip) {
                        long count = s.out_rows - y < s.strip ? s.out_rows - y : s.strip, begin = y * line;
                        FOR_CHANNEL_BLOCKS(affine, up + begin + c, u + begin + c, count * s.out_columns, channels,
                                           a + of_group + c, b + of_group + c, d + of_group + c, gradient + c, channels)
                        Ahead ahead = NOTHING_AHEAD;
                        if (fetched && y + count < s.out_rows)
                            ahead = (Ahead){up + begin + count * line, u + begin + count * line};
                        else if (fetched && g + 1 < groups)
                            ahead = (Ahead){upstream[g + 1] + image * s.out_map, u + clips * out_frames * s.out_map};
                        for (long i = 0; i < count; i++)
                            FOR_CHANNEL_PAIRS(product, gradient + i * line, s.out_columns, channels, mixer + c,
                                              channels, inside + (y + i) * up_row + c, up_pixel, ahead, i * line + c)
                        if (!wanted)
                            continue;
                        FOR_CHANNEL_BLOCKS(correlate_any, kernel[g], dilation[g], stride, 1,
                                           padded + from + y * stride * s.row + c, s.row, channels, taps + done + c,
                                           channels, features + c, line, channels, count, s.out_columns, y, s.rows, 0)
                        FOR_TAPS_IN_TIME(f, t)
                            FOR_CHANNEL_BLOCKS(add_frame, x + place + f * s.map + y * row + c, row, pixel,
                                               s_own ? s_own + c : NULL, t_own ? t_own + c : NULL,
                                               times + passed + t * channels + c, features + c, channels, count,
                                               s.out_columns)
                        FOR_CHANNEL_PAIRS(outer_product, gradient, count * s.out_columns, channels, features + c,
                                          channels, of_mixers + g * square + c)
                    }
                    if (wanted)
                        FOR_CHANNEL_BLOCKS(weight_gradient_any, kernel[g], dilation[g], stride, padded + from + c,
                                           s.row, channels, inside + c, up_row, up_pixel, channels, mine + done + c,
                                           s.out_rows, s.out_columns, s.rows)
                    FOR_CHANNEL_BLOCKS(correlate_any, kernel[g], dilation[g], 1, stride, spread + from + c, s.row, channels,
                                       mirrored + done + c, channels, input_gradient + at + c, s.columns * channels,
                                       channels, s.rows, s.columns, 0, s.rows, frames > 1 || (shared && g > 0))
                    FOR_TAPS_IN_TIME(f, t)
                        FOR_CHANNEL_BLOCKS(add_frame_gradient, x + place + f * s.map + c, row, pixel,
                                           s_own ? s_own + c : NULL, t_own ? t_own + c : NULL,
                                           times + passed + t * channels + c, inside + c, up_row, up_pixel,
                                           input_gradient + place + f * s.map + c,
                                           wanted ? mine + size_taps + passed + t * channels + c : NULL, s.out_rows,
                                           s.out_columns)
                    done += area[g] * channels;
                    passed += reach[g] * channels;
                }
            }
            for (int g = 0; g < (shared ? 1 : groups); g++)
                for (long frame = 0; frame < frames; frame++) {
                    long at = (((long)g * clips + number) * frames + frame) * s.map;
                    mask_gradient(&s, x + at, scale ? scale + g * channels : NULL, scale ? shift + g * channels : NULL,
                                  input_gradient + at);
                }
        }
        /* In the order of threads, so that the same number of threads gives the same bits. */
#pragma omp for ordered schedule(static, 1)
        for (int thread = 0; thread < omp_get_num_threads(); thread++)
#pragma omp ordered
            if (wanted)
                for (long i = 0; i < weights; i++)
                    total[i] += mine[i];
    }
    if (wanted) {
        turn_back(total, area, groups, channels, weight_gradient);
        memcpy(weight_gradient + size_taps, total + size_taps + size_times, sizeof(float) * groups * square);
        turn_back(total + size_taps, reach, groups, channels, weight_gradient + size_taps + groups * square);
    }
    free(taps);
    return 0;
}

/* The number of pixels along a line that are read with a stride from offset on, inside the map. */
static long read_inside(long size, int stride, int offset)
{
    return size > offset ? (size - offset + stride - 1) / stride : 0;
}

/* Copy relu(x) at every stride-th pixel, from offset on; zero beyond the edge. */
static void pick(const float *x, long rows, long columns, long channels, int stride, int offset, long out_rows,
                 long out_columns, float *features)
{
    long high = read_inside(rows, stride, offset), wide = read_inside(columns, stride, offset);
    for (long y = 0; y < out_rows; y++, features += out_columns * channels) {
        const float *from = x + ((y * stride + offset) * columns + offset) * channels;
        long inside = y < high ? wide : 0;
        FOR_CHANNEL_BLOCKS(pick, from + c, inside, stride * channels, features + c, channels)
        memset(features + inside * channels, 0, sizeof(float) * (out_columns - inside) * channels);
    }
}

/* Add gradients to the pixels that pick copied, where the ReLU was active. */
static void put_back(const float *features, const float *back, long rows, long columns, long channels, int stride,
                     int offset, long out_columns, float *target)
{
    long high = read_inside(rows, stride, offset), wide = read_inside(columns, stride, offset);
    for (long y = 0; y < high; y++) {
        long from = y * out_columns * channels, to = ((y * stride + offset) * columns + offset) * channels;
        FOR_CHANNEL_BLOCKS(put_back, features + from + c, back + from + c, wide, channels, target + to + c,
                           stride * channels)
    }
}

/*
 * out[g] = weight[g] (relu(x)) at every stride-th pixel from offset[g] on: pointwise convolutions.
 *
 * Weights are (width, inputs). Each output pixel has width numbers, at a distance of pitch from those of the
 * previous pixel. Groups of one offset are consecutive.
 */
int autodas_pointwise_forward(const float *x, int images, int rows, int columns, int inputs, int groups, int stride,
                               const int *offset, const float *const *weight, int width, float *const *out, long pitch)
{
    long channels = width, size = channels * inputs;
    long out_rows = (rows + stride - 1) / stride, out_columns = (columns + stride - 1) / stride;
    long own_size = whole(out_rows * out_columns * inputs); /* of one thread */
    float *turned = lines(whole(groups * size) + omp_get_max_threads() * own_size);
    if (!turned)
        return OUT_OF_MEMORY;
    for (int g = 0; g < groups; g++)
        for (long i = 0; i < inputs; i++)
            for (long o = 0; o < channels; o++)
                turned[g * size + i * channels + o] = weight[g][o * inputs + i];
#pragma omp parallel
    {
        float *features = turned + whole(groups * size) + omp_get_thread_num() * own_size;
#pragma omp for schedule(static)
        for (int image = 0; image < images; image++)
            for (int g = 0; g < groups; g++) {
                if (g == 0 || offset[g] != offset[g - 1])
                    pick(x + (long)image * rows * columns * inputs, rows, columns, inputs, stride, offset[g], out_rows,
                         out_columns, features);
                FOR_CHANNEL_PAIRS(product, features, out_rows * out_columns, inputs, turned + g * size + c, channels,
                                  out[g] + image * out_rows * out_columns * pitch + c, pitch, NOTHING_AHEAD, 0)
            }
    }
    free(turned);
    return 0;
}

/*
 * Gradients of autodas_pointwise_forward, for a gradient a * upstream + b * out + d of its outputs; upstream has
 * the layout of out. a, b, d: (groups, width). That of x is added to input_gradient, or written to it.
 * weight_gradient: (groups, width, inputs), or null.
 */
int autodas_pointwise_backward(const float *x, int images, int rows, int columns, int inputs_, int groups, int stride,
                                const int *offset, const float *const *weight, int width, const float *const *out,
                                long pitch, const float *const *upstream, const float *a, const float *b,
                                const float *d, int add, float *input_gradient, float *weight_gradient)
{
    long inputs = inputs_, size = width * inputs, weights = groups * size;
    long out_rows = (rows + stride - 1) / stride, out_columns = (columns + stride - 1) / stride;
    long pixels = out_rows * out_columns, map = (long)rows * columns * inputs;
    long own_size = 2 * whole(pixels * inputs) + whole(pixels * width) + (weight_gradient ? whole(weights) : 0);
    float *total = lines(whole(weights) + omp_get_max_threads() * own_size);
    if (!total)
        return OUT_OF_MEMORY;
#pragma omp parallel
    {
        float *features = total + whole(weights) + omp_get_thread_num() * own_size;
        float *back = features + whole(pixels * inputs), *gradient = back + whole(pixels * inputs);
        float *mine = gradient + whole(pixels * width);
#pragma omp for schedule(static)
        for (int image = 0; image < images; image++) {
            float *target = input_gradient + image * map;
            if (!add)
                memset(target, 0, sizeof(float) * map);
            for (int g = 0; g < groups; g++) {
                const float *u = out[g] + image * pixels * pitch, *up = upstream[g] + image * pixels * pitch;
                {
                    long channels = width, from = g * channels;
                    FOR_CHANNEL_BLOCKS(affine, up + c, u + c, pixels, pitch, a + from + c, b + from + c, d + from + c,
                                       gradient + c, channels)
                }
                if (g == 0 || offset[g] != offset[g - 1])
                    pick(x + image * map, rows, columns, inputs, stride, offset[g], out_rows, out_columns, features);
                if (weight_gradient) {
                    long channels = inputs;
                    FOR_CHANNEL_PAIRS(outer_product, gradient, pixels, width, features + c, channels,
                                      mine + g * size + c)
                }
                long channels = inputs;
                FOR_CHANNEL_PAIRS(product, gradient, pixels, width, weight[g] + c, channels, back + c, channels,
                                  NOTHING_AHEAD, 0)
                put_back(features, back, rows, columns, inputs, stride, offset[g], out_columns, target);
            }
        }
        /* In the order of threads, so that the same number of threads gives the same bits. */
#pragma omp for ordered schedule(static, 1)
        for (int thread = 0; thread < omp_get_num_threads(); thread++)
#pragma omp ordered
            if (weight_gradient)
                for (long i = 0; i < weights; i++)
                    total[i] += mine[i];
    }
    if (weight_gradient)
        memcpy(weight_gradient, total, sizeof(float) * weights);
    free(total);
    return 0;
}

#include "winograd.h"

/*
 * out[g] = weight[g] * relu(x), dense convolutions of one window without stride, and its moments.
 *
 * out: (groups, images, rows, columns, width). mean, variance: (groups, width), or null if they are not needed.
 */
int autodas_dense_forward(const float *x, int images, int rows, int columns, int inputs, int groups, int window,
                          const float *const *weight, int width, float *out, float *mean, float *variance)
{
    const int one = 1;
    const Shape s = shape_of(rows, columns, inputs, 1, &window, &one, 1);
    /* The outputs of all groups are computed side by side: (pixels, channels). */
    long channels = (long)groups * width, taps = (long)window * window * inputs, pixels = s.out_pixels;
    const int tiled = has_tiles(rows, columns, window, inputs, channels);
    const Tiles tiles = tiles_of(rows, columns);
    long together = tiled ? images_together(&tiles, images) : 1, filters = tiled ? 36 * inputs * channels : 0;
    long own_size = together * (s.padded + pixels * channels) + (tiled ? winograd_size(inputs) : 0);
    own_size = whole(own_size);
    float *turned = lines(whole(taps * channels) + whole(filters) + whole(2 * images * channels)
                          + omp_get_max_threads() * own_size);
    if (!turned)
        return OUT_OF_MEMORY;
    float *filter = turned + whole(taps * channels), *means = filter + whole(filters);
    float *deviations = means + images * channels;
    for (int g = 0; g < groups; g++)
        for (long t = 0; t < taps; t++)
            for (long o = 0; o < width; o++)
                turned[t * channels + g * width + o] = weight[g][o * taps + t];
    if (tiled) {
        long size = inputs * channels, channels = size;
        FOR_CHANNEL_BLOCKS(filters_of, turned + c, size, filter + c)
    }
#pragma omp parallel
    {
        float *padded = means + whole(2 * images * channels) + omp_get_thread_num() * own_size;
        float *computed = padded + together * s.padded, *memory = computed + together * pixels * channels;
#pragma omp for schedule(static)
        for (long begin = 0; begin < images; begin += together) {
            long end = begin + together < images ? begin + together : images;
            for (long image = begin; image < end; image++)
                pad_input(&s, x + image * s.map, NULL, NULL, padded + (image - begin) * s.padded);
            if (tiled)
                winograd_convolve(&tiles, end - begin, padded, &s, filter, channels, memory, computed);
            else
                FOR_CHANNEL_PAIRS(convolve, padded, s.row, inputs, window, turned + c, channels, computed + c, rows,
                                  columns)
            for (long image = begin; image < end; image++) {
                const float *own = computed + (image - begin) * pixels * channels;
                if (mean)
                    FOR_CHANNEL_BLOCKS(moments, own + c, pixels, channels, means + image * channels + c,
                                       deviations + image * channels + c)
                for (long g = 0; g < groups; g++) {
                    const float *from = own + g * width;
                    float *to = out + (g * images + image) * pixels * width;
                    long pitch = channels, channels = width;
                    FOR_CHANNEL_BLOCKS(copy, from + c, pixels, pitch, to + c, channels)
                }
            }
        }
    }
    if (mean)
        join_moments(means, deviations, images, channels, pixels, channels, mean, variance);
    free(turned);
    return 0;
}

/*
 * Gradients of autodas_dense_forward, for a gradient a * upstream + b * out + d of its outputs. a, b, d: (groups,
 * width). That of x is added to input_gradient, or written to it. weight_gradient: those of all groups, one after the other, or null.
 */
int autodas_dense_backward(const float *x, int images, int rows, int columns, int inputs, int groups, int window,
                           const float *const *weight, int width, const float *out, const float *const *upstream,
                           const float *a, const float *b, const float *d, int add, float *input_gradient,
                           float *weight_gradient)
{
    const int one = 1;
    long area = window * window, taps = area * inputs, all = (long)groups * width, weights = taps * all;
    const Shape s = shape_of(rows, columns, inputs, 1, &window, &one, 1);
    /* The gradients of all outputs of a pixel side by side: one convolution leads back to the input. */
    const Shape t = shape_of(rows, columns, all, 1, &window, &one, 1);
    const int tiled = has_tiles(rows, columns, window, inputs, all);
    const Tiles tiles = tiles_of(rows, columns);
    long together = tiled ? images_together(&tiles, images) : 1, filters = tiled ? 36 * inputs * all : 0;
    /* Of the weights, or of their filters. */
    long summed = !weight_gradient ? 0 : tiled ? filters : weights;
    long own_size = whole(together * (s.padded + t.padded + s.map))
        + whole(tiled ? winograd_size(all) + 36 * TILES_AT_ONCE * inputs : 0) + whole(summed);
    float *total = lines(2 * whole(weights) + whole(filters) + whole(summed) + omp_get_max_threads() * own_size);
    if (!total)
        return OUT_OF_MEMORY;
    float *mirrored = total + whole(weights), *filter = mirrored + whole(weights), *sum = filter + whole(filters);
    for (int g = 0; g < groups; g++)
        for (long tap = 0; tap < area; tap++)
            for (long o = 0; o < width; o++)
                for (long i = 0; i < inputs; i++)
                    mirrored[(tap * all + g * width + o) * inputs + i]
                        = weight[g][(o * area + area - 1 - tap) * inputs + i];
    if (tiled) {
        long size = all * inputs, channels = size;
        FOR_CHANNEL_BLOCKS(filters_of, mirrored + c, size, filter + c)
    }
#pragma omp parallel
    {
        float *mine = sum + whole(summed) + omp_get_thread_num() * own_size, *padded = mine + whole(summed);
        float *gradient = padded + together * s.padded, *back = gradient + together * t.padded;
        float *memory = back + together * s.map, *first = gradient + t.padding * (t.row + all);
#pragma omp for schedule(static)
        for (long begin = 0; begin < images; begin += together) {
            long end = begin + together < images ? begin + together : images;
            for (long image = begin; image < end; image++) {
                float *own = first + (image - begin) * t.padded;
                for (long g = 0; g < groups; g++) {
                    long channels = width, line = columns * channels, at = image * s.out_pixels * channels;
                    const float *up = upstream[g] + at, *u = out + g * images * s.out_pixels * channels + at;
                    for (long y = 0; y < rows; y++)
                        FOR_CHANNEL_BLOCKS(affine, up + y * line + c, u + y * line + c, columns, channels,
                                           a + g * channels + c, b + g * channels + c, d + g * channels + c,
                                           own + y * t.row + g * channels + c, all)
                }
                if (weight_gradient)
                    pad_input(&s, x + image * s.map, NULL, NULL, padded + (image - begin) * s.padded);
            }
            if (tiled) {
                if (weight_gradient)
                    winograd_weights(&tiles, end - begin, padded, &s, first, &t, memory, mine);
                winograd_convolve(&tiles, end - begin, gradient, &t, filter, inputs, memory, back);
            } else {
                if (weight_gradient) {
                    long channels = all;
                    FOR_CHANNEL_PAIRS(convolve_weights, padded, s.row, inputs, window, first + c, t.row, mine + c,
                                      channels, rows, columns)
                }
                long channels = inputs;
                FOR_CHANNEL_PAIRS(convolve, gradient, t.row, all, window, mirrored + c, channels, back + c, rows,
                                  columns)
            }
            long size = (end - begin) * s.map;
            add_masked(size, x + begin * s.map, back, add, input_gradient + begin * s.map);
        }
        /* In the order of threads, so that the same number of threads gives the same bits. */
#pragma omp for ordered schedule(static, 1)
        for (int thread = 0; thread < omp_get_num_threads(); thread++)
#pragma omp ordered
            for (long i = 0; i < summed; i++)
                sum[i] += mine[i];
    }
    if (weight_gradient) {
        if (tiled) {
            long size = inputs * all, channels = size;
            FOR_CHANNEL_BLOCKS(filters_gradient, sum + c, size, total + c)
        }
        const float *found = tiled ? total : sum;
        for (long g = 0; g < groups; g++)
            for (long o = 0; o < width; o++)
                for (long i = 0; i < taps; i++)
                    weight_gradient[(g * width + o) * taps + i] = found[i * all + g * width + o];
    }
    free(total);
    return 0;
}

/* Pixels are processed in chunks that fit in the cache, whatever the number of threads, for the same bits. */
#define CHUNK 256

/*
 * out[o] (+)= shift[o] + sum over its terms of scale[t] * map[t] + before[o].
 *
 * counts: number of terms of each output, in the order of map and scale (terms, channels). shift may be null, and so
 * may before, or the map of an output there.
 */
int autodas_combine(float *const *out, int outputs, const int *counts, const float *const *map, const float *scale,
                     const float *shift, const float *const *before, long pixels, long channels, int add)
{
    long chunks = (pixels + CHUNK - 1) / CHUNK;
#pragma omp parallel for schedule(static)
    for (long chunk = 0; chunk < chunks; chunk++) {
        long start = chunk * CHUNK, size = pixels - start < CHUNK ? pixels - start : CHUNK, term = 0;
        for (int o = 0; o < outputs; o++) {
            const float *t = shift ? shift + o * channels : NULL;
            FOR_CHANNEL_BLOCKS(combine, counts[o], map + term, start * channels + c, size, channels,
                               scale + term * channels + c, t ? t + c : NULL, before ? before[o] : NULL, out[o], add)
            term += counts[o];
        }
    }
    return 0;
}

/* The factor and the summand of normalisation of a term, s and -s * mean; 1 and 0 if it is not normalised. */
static void normalisation(int row, const float *mean, const float *scale, long channels, float *factor,
                          float *summand)
{
    for (long c = 0; c < channels; c++) {
        factor[c] = row < 0 ? 1 : scale[row * channels + c];
        summand[c] = row < 0 ? 0 : -mean[row * channels + c] * factor[c];
    }
}

/* Factors of normalisation. */
static void inverse_deviation(const float *variance, long count, float *scale)
{
    for (long i = 0; i < count; i++)
        scale[i] = 1 / sqrtf(variance[i] + EPSILON);
}

/*
 * out[o] = sum over its terms of weight * scale * (map - mean), plus before[o] as in autodas_combine, with scale =
 * 1 / sqrt(variance + epsilon), which is written, too. mean, variance, scale: (rows, channels). row: of each term, -1 if
 * it is not normalised; factor: of its weight, null if all are 1.
 */
int autodas_mix_forward(int outputs, const int *counts, const float *const *map, const int *row, const int *factor,
                        const float *weights, long rows, const float *mean, const float *variance,
                        const float *const *before, long pixels, long channels, float *scale, float *const *out)
{
    long terms = sum_of(counts, outputs);
    float *factors = lines((terms + outputs) * channels + 2 * channels);
    if (!factors)
        return OUT_OF_MEMORY;
    float *shift = factors + terms * channels, *own = shift + outputs * channels, *summand = own + channels;
    inverse_deviation(variance, rows * channels, scale);
    for (long o = 0, t = 0; o < outputs; o++)
        for (int left = counts[o]; left > 0; left--, t++) {
            float weight = factor ? weights[factor[t]] : 1;
            normalisation(row[t], mean, scale, channels, own, summand);
            for (long c = 0; c < channels; c++) {
                factors[t * channels + c] = weight * own[c];
                shift[o * channels + c] += weight * summand[c];
            }
        }
    autodas_combine(out, outputs, counts, map, factors, shift, before, pixels, channels, 0);
    free(factors);
    return 0;
}

/*
 * The gradients of autodas_mix_forward: of each map as a * upstream + b * map + d, in the row slot[t] of a, b, d;
 * of the weights, of which there are as many as places, or null.
 */
int autodas_mix_backward(int outputs, const int *counts, const float *const *map, const int *row, const int *factor,
                         const int *slot, const float *const *upstream, const float *weights, const float *mean,
                         const float *scale, int constant, long pixels, long channels, float *a, float *b, float *d,
                         float *weight_gradient, long places)
{
    long chunks = (pixels + CHUNK - 1) / CHUNK, terms = sum_of(counts, outputs), size = terms * channels;
    long block = channels < 32 ? 128 : (4096 + channels - 1) / channels; /* of pixels in the first-level cache */
    /* Adding small numbers to a large sum would lose their last digits: hence doubles, chunk by chunk. */
    double *parts = calloc((2 * chunks + 2) * size, sizeof(double));
    float *factors = lines(2 * size);
    if (!parts || !factors) {
        free(parts);
        free(factors);
        return OUT_OF_MEMORY;
    }
    float *summands = factors + size;
    double *plain = parts + 2 * chunks * size, *product = plain + size;
    for (long t = 0; t < terms; t++)
        normalisation(row[t], mean, scale, channels, factors + t * channels, summands + t * channels);
#pragma omp parallel for schedule(static)
    for (long chunk = 0; chunk < chunks; chunk++) {
        long start = chunk * CHUNK, count = pixels - start < CHUNK ? pixels - start : CHUNK;
        double *one = parts + 2 * chunk * size, *two = one + size;
        for (long p = start; p < start + count; p += block)
            for (long o = 0, t = 0, left = start + count - p; o < outputs; o++)
                for (int last = t + counts[o]; t < last; t++)
                    FOR_CHANNEL_BLOCKS(sums, map[t] + p * channels + c, map[t + 1 < terms ? t + 1 : t] + p * channels + c,
                                       upstream[o] + p * channels + c, left < block ? left : block, channels,
                                       factors + t * channels + c, summands + t * channels + c, one + t * channels + c,
                                       two + t * channels + c)
    }
    for (long chunk = 0; chunk < chunks; chunk++)
        for (long i = 0; i < size; i++) {
            plain[i] += parts[2 * chunk * size + i];
            product[i] += parts[(2 * chunk + 1) * size + i];
        }
    if (weight_gradient)
        memset(weight_gradient, 0, sizeof(float) * places);
    for (long t = 0; t < terms; t++) {
        double total = 0;
        float weight = factor ? weights[factor[t]] : 1;
        int through = row[t] >= 0 && !constant;
        for (long c = 0; c < channels; c++) {
            long i = t * channels + c, to = slot[t] * channels + c;
            float own = weight * factors[i], share = through ? own / pixels : 0;
            a[to] = own;
            b[to] = -share * factors[i] * product[i];
            d[to] = -share * plain[i] - b[to] * (through ? mean[row[t] * channels + c] : 0);
            total += product[i];
        }
        if (weight_gradient)
            weight_gradient[factor[t]] = total;
    }
    free(parts);
    free(factors);
    return 0;
}

/* The factor from a biased variance over pixels to an unbiased one. */
static float unbiased(long pixels)
{
    return pixels / (double)(pixels > 1 ? pixels - 1 : 1);
}

/* Running statistics of layers, in place: layer i follows row[i] of mean and of variance * to_unbiased. */
int autodas_follow(int layers, const int *row, const float *mean, const float *variance, long channels, float momentum,
                   float to_unbiased, float *const *running_mean, float *const *running_variance)
{
    for (int i = 0; i < layers; i++)
        for (long c = 0; c < channels; c++) {
            long from = row[i] * channels + c;
            running_mean[i][c] += momentum * (mean[from] - running_mean[i][c]);
            running_variance[i][c] += momentum * (variance[from] * to_unbiased - running_variance[i][c]);
        }
    return 0;
}

/* Mean and biased variance over the pixels of each image and then over all: of (maps, images, pixels, channels). */
int autodas_moments(const float *u, long maps, long images, long pixels, long channels, float *mean, float *variance)
{
    long count = maps * images;
    float *means = lines(2 * count * channels), *deviations = means + count * channels;
    if (!means)
        return OUT_OF_MEMORY;
#pragma omp parallel for schedule(static)
    for (long image = 0; image < count; image++)
        FOR_CHANNEL_BLOCKS(moments, u + image * pixels * channels + c, pixels, channels,
                           means + image * channels + c, deviations + image * channels + c)
    for (long map = 0; map < maps; map++) {
        long first = map * images * channels;
        join_moments(means + first, deviations + first, images, channels, pixels, channels, mean + map * channels,
                     variance + map * channels);
    }
    free(means);
    return 0;
}

/* Whether pools have a form that takes half of the time. */
#define WITHOUT_STRIDES (reach == 1 && step == 1 && stride == 1)

/*
 * Maximum and mean over windows of 3 x 3 pixels in reach frames; see kernels_lanes.h. step and stride are those in
 * time and in space.
 */
int autodas_pools_forward(const float *x, int clips, int frames, int rows, int columns, int channels_, int reach,
                          int step, int stride, float *most, float *mean)
{
    long channels = channels_;
    int out_rows = (rows + stride - 1) / stride, out_columns = (columns + stride - 1) / stride;
    long map = (long)rows * columns * channels, out_map = (long)out_rows * out_columns * channels;
    long out_frames = (frames + step - 1) / step;
#pragma omp parallel for schedule(static)
    for (long image = 0; image < clips * out_frames; image++) {
        if (WITHOUT_STRIDES) {
            if (most)
                FOR_CHANNEL_BLOCKS(most, x + image * map + c, rows, columns, channels, most + image * map + c)
            if (mean)
                FOR_CHANNEL_BLOCKS(mean, x + image * map + c, rows, columns, channels, mean + image * map + c)
            continue;
        }
        const float *clip = x + image / out_frames * frames * map;
        FOR_CHANNEL_BLOCKS(pools, clip + c, image % out_frames * step, frames, reach, rows, columns, channels, stride,
                           out_rows, out_columns, most ? most + image * out_map + c : NULL,
                           mean ? mean + image * out_map + c : NULL)
    }
    return 0;
}

/* Their gradients, added to input_gradient; clip by clip, as windows extend to other frames. */
int autodas_pools_backward(const float *x, int clips, int frames, int rows, int columns, int channels_, int reach,
                           int step, int stride, const float *most, const float *mean, float *input_gradient)
{
    long channels = channels_;
    int out_rows = (rows + stride - 1) / stride, out_columns = (columns + stride - 1) / stride;
    long map = (long)rows * columns * channels, out_map = (long)out_rows * out_columns * channels;
    long out_frames = (frames + step - 1) / step;
#pragma omp parallel for schedule(static)
    for (int number = 0; number < clips; number++)
        for (long frame = 0; frame < out_frames; frame++) {
            long image = number * out_frames + frame, from = (long)number * frames * map;
            if (WITHOUT_STRIDES) {
                if (most)
                    FOR_CHANNEL_BLOCKS(most_gradient, x + image * map + c, rows, columns, channels,
                                       most + image * map + c, input_gradient + image * map + c)
                if (mean)
                    FOR_CHANNEL_BLOCKS(mean_gradient, mean + image * map + c, rows, columns, channels,
                                       input_gradient + image * map + c)
                continue;
            }
            FOR_CHANNEL_BLOCKS(pools_gradient, x + from + c, frame * step, frames, reach, rows, columns, channels,
                               stride, out_rows, out_columns, most ? most + image * out_map + c : NULL,
                               mean ? mean + image * out_map + c : NULL, input_gradient + from + c)
        }
    return 0;
}

#include "state.h"
#include "projection.h"
#include "descent.h"
