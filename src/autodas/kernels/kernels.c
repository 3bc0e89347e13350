/*
 * Depthwise convolutions, pools and batch normalisation of many candidates over channels-last maps.
 *
 * Library calls for depthwise convolutions on small maps cost ten times their arithmetic, most of all
 * backward. Here a map is copied once into a padded buffer, with normalisation and ReLU applied on the way,
 * and all candidates that read it run over that buffer while it is in the cache. Channels lie side by side,
 * so that a vector register holds 16 of them and windows need no shuffling.
 *
 * Maps: (images, rows, columns, channels). Weights: (channels, kernel * kernel), as torch keeps them.
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

#define LANES 16
#include "kernels_lanes.h"
#undef LANES
#define LANES 8
#include "kernels_lanes.h"
#undef LANES
#define LANES 4
#include "kernels_lanes.h"
#undef LANES
#define LANES 2
#include "kernels_lanes.h"
#undef LANES

/* Run f for blocks of channels, widest first; channels must be even. */
#define FOR_CHANNEL_BLOCKS(f, ...)                  \
    for (long c = 0; c < channels;) {               \
        if (channels - c >= 16) {                   \
            f##_16(__VA_ARGS__);                    \
            c += 16;                                \
        } else if (channels - c >= 8) {             \
            f##_8(__VA_ARGS__);                     \
            c += 8;                                 \
        } else if (channels - c >= 4) {             \
            f##_4(__VA_ARGS__);                     \
            c += 4;                                 \
        } else {                                    \
            f##_2(__VA_ARGS__);                     \
            c += 2;                                 \
        }                                           \
    }

static int padding_of(const int *kernel, const int *dilation, int groups)
{
    int most = 0;
    for (int g = 0; g < groups; g++) {
        int padding = dilation[g] * (kernel[g] / 2);
        most = padding > most ? padding : most;
    }
    return most;
}

/* (channels, taps) to (taps, channels) for every group; mirrored for the gradient of the input. */
static void turn_weights(const float *const *weight, const int *kernel, int groups, long channels,
                         int mirrored, float **turned, float *memory)
{
    for (int g = 0; g < groups; g++) {
        int taps = kernel[g] * kernel[g];
        turned[g] = memory;
        for (int t = 0; t < taps; t++)
            for (long c = 0; c < channels; c++)
                memory[t * channels + c] = weight[g][c * taps + (mirrored ? taps - 1 - t : t)];
        memory += taps * channels;
    }
}

/* Copy a map between zero borders: relu(scale * x + shift). */
static void pad_input(const float *x, int rows, int columns, long channels, int padding, const float *scale,
                      const float *shift, int relu, float *padded)
{
    long width = (columns + 2L * padding) * channels;
    for (int y = 0; y < rows; y++) {
        const float *from = x + (long)y * columns * channels;
        float *to = padded + (y + padding) * width + padding * channels;
        if (scale)
            for (int p = 0; p < columns; p++)
                for (long c = 0; c < channels; c++) {
                    float v = from[p * channels + c] * scale[c] + shift[c];
                    to[p * channels + c] = relu && v < 0 ? 0 : v;
                }
        else
            for (long i = 0; i < columns * channels; i++)
                to[i] = relu && from[i] < 0 ? 0 : from[i];
    }
}

/* Zero gradients where the ReLU was off. */
static void mask_gradient(const float *x, long pixels, long channels, const float *scale, const float *shift,
                          float *gradient)
{
    if (scale)
        for (long p = 0; p < pixels; p++)
            for (long c = 0; c < channels; c++) {
                long i = p * channels + c;
                gradient[i] = x[i] * scale[c] + shift[c] > 0 ? gradient[i] : 0;
            }
    else
        for (long i = 0; i < pixels * channels; i++)
            gradient[i] = x[i] > 0 ? gradient[i] : 0;
}

/*
 * out[g] = depthwise convolution of relu(scale * x + shift) with weight[g].
 *
 * shared: all groups read the one map x, else group g reads x + g * (images * rows * columns * channels) and
 * scale, shift + g * channels. scale may be null. Outputs have (size + stride - 1) / stride rows.
 */
void autodas_stencils_forward(const float *x, int images, int rows, int columns, int channels_, int groups,
                              int shared, const int *kernel, const int *dilation, int stride,
                              const float *const *weight, const float *scale, const float *shift, int relu,
                              float *const *out)
{
    long channels = channels_;
    int padding = padding_of(kernel, dilation, groups);
    int out_rows = (rows + stride - 1) / stride, out_columns = (columns + stride - 1) / stride;
    long map = (long)rows * columns * channels, out_map = (long)out_rows * out_columns * channels;
    long row = (columns + 2L * padding) * channels;
    long padded_size = (rows + 2L * padding) * row;
    long taps = 0;
    for (int g = 0; g < groups; g++)
        taps += kernel[g] * kernel[g];
    float *turned[groups], *memory = malloc(sizeof(float) * taps * channels);
    turn_weights(weight, kernel, groups, channels, 0, turned, memory);
#pragma omp parallel
    {
        float *padded = calloc(padded_size, sizeof(float));
#pragma omp for schedule(static)
        for (int image = 0; image < images; image++)
            for (int g = 0; g < groups; g++) {
                if (!shared || g == 0) {
                    long own = shared ? 0 : g;
                    pad_input(x + (own * images + image) * map, rows, columns, channels, padding,
                              scale ? scale + own * channels : NULL, scale ? shift + own * channels : NULL,
                              relu, padded);
                }
                long border = padding - dilation[g] * (kernel[g] / 2);
                long origin = border * row + border * channels;
                FOR_CHANNEL_BLOCKS(correlate_any, kernel[g], dilation[g], padded + c, row, channels, origin,
                                   turned[g] + c, channels, out[g] + image * out_map + c, out_rows,
                                   out_columns, stride, 0)
            }
        free(padded);
    }
    free(memory);
}

/*
 * Gradients of autodas_stencils_forward. The gradient of the input is that before scale and shift are
 * applied backwards: the one of relu's argument. Either of the two gradients may be null.
 */
void autodas_stencils_backward(const float *x, int images, int rows, int columns, int channels_, int groups,
                               int shared, const int *kernel, const int *dilation, int stride,
                               const float *const *weight, const float *scale, const float *shift, int relu,
                               const float *const *upstream, float *input_gradient,
                               float *const *weight_gradient)
{
    long channels = channels_;
    int padding = padding_of(kernel, dilation, groups);
    int out_rows = (rows + stride - 1) / stride, out_columns = (columns + stride - 1) / stride;
    long map = (long)rows * columns * channels, out_map = (long)out_rows * out_columns * channels;
    long row = (columns + 2L * padding) * channels;
    long padded_size = (rows + 2L * padding) * row;
    long taps = 0;
    for (int g = 0; g < groups; g++)
        taps += kernel[g] * kernel[g];
    float *turned[groups], *memory = malloc(sizeof(float) * taps * channels);
    turn_weights(weight, kernel, groups, channels, 1, turned, memory);
    float *total = calloc(taps * channels, sizeof(float));
#pragma omp parallel
    {
        float *padded = calloc(padded_size, sizeof(float));
        float *spread = calloc(padded_size, sizeof(float));
        float *mine = calloc(taps * channels, sizeof(float));
#pragma omp for schedule(static)
        for (int image = 0; image < images; image++) {
            float *gradient = mine;
            for (int g = 0; g < groups; g++) {
                long own = shared ? 0 : g, place = (own * images + image) * map;
                const float *up = upstream[g] + image * out_map;
                long border = padding - dilation[g] * (kernel[g] / 2);
                long origin = border * row + border * channels;
                if (weight_gradient) {
                    if (!shared || g == 0)
                        pad_input(x + place, rows, columns, channels, padding,
                                  scale ? scale + own * channels : NULL,
                                  scale ? shift + own * channels : NULL, relu, padded);
                    FOR_CHANNEL_BLOCKS(weight_gradient_any, kernel[g], dilation[g], padded + c, row, channels,
                                       origin, up + c, channels, gradient + c, out_rows, out_columns, stride)
                    gradient += kernel[g] * kernel[g] * channels;
                }
                if (input_gradient) {
                    /* With a stride the upstream gradient stands between zeros, which stay. */
                    for (int y = 0; y < out_rows; y++)
                        for (int p = 0; p < out_columns; p++)
                            memcpy(spread + (y * stride + padding) * row + (p * stride + padding) * channels,
                                   up + ((long)y * out_columns + p) * channels, sizeof(float) * channels);
                    FOR_CHANNEL_BLOCKS(correlate_any, kernel[g], dilation[g], spread + c, row, channels,
                                       origin, turned[g] + c, channels, input_gradient + place + c, rows,
                                       columns, 1, shared && g > 0)
                    if (relu && (!shared || g == groups - 1))
                        mask_gradient(x + place, (long)rows * columns, channels,
                                      scale ? scale + own * channels : NULL,
                                      scale ? shift + own * channels : NULL, input_gradient + place);
                }
            }
        }
        /* In the order of threads, so that the same number of threads gives the same bits. */
#pragma omp for ordered schedule(static, 1)
        for (int thread = 0; thread < omp_get_num_threads(); thread++)
#pragma omp ordered
            if (weight_gradient)
                for (long i = 0; i < taps * channels; i++)
                    total[i] += mine[i];
        free(padded);
        free(spread);
        free(mine);
    }
    if (weight_gradient) {
        const float *from = total;
        for (int g = 0; g < groups; g++) {
            int count = kernel[g] * kernel[g];
            for (int t = 0; t < count; t++)
                for (long c = 0; c < channels; c++)
                    weight_gradient[g][c * count + t] = from[t * channels + c];
            from += count * channels;
        }
    }
    free(total);
    free(memory);
}

/* 3x3 maximum and mean of every map; see kernels_lanes.h. */
void autodas_pools_forward(const float *x, int images, int rows, int columns, int channels_, int stride,
                           float *most, float *mean)
{
    long channels = channels_;
    int out_rows = (rows + stride - 1) / stride, out_columns = (columns + stride - 1) / stride;
    long map = (long)rows * columns * channels, out_map = (long)out_rows * out_columns * channels;
#pragma omp parallel for schedule(static)
    for (int image = 0; image < images; image++)
        FOR_CHANNEL_BLOCKS(pools, x + image * map + c, rows, columns, channels, stride, out_rows, out_columns,
                           most ? most + image * out_map + c : NULL, mean ? mean + image * out_map + c : NULL)
}

/* Their gradients, added to input_gradient. */
void autodas_pools_backward(const float *x, int images, int rows, int columns, int channels_, int stride,
                            const float *most, const float *mean, float *input_gradient)
{
    long channels = channels_;
    int out_rows = (rows + stride - 1) / stride, out_columns = (columns + stride - 1) / stride;
    long map = (long)rows * columns * channels, out_map = (long)out_rows * out_columns * channels;
#pragma omp parallel for schedule(static)
    for (int image = 0; image < images; image++)
        FOR_CHANNEL_BLOCKS(pools_gradient, x + image * map + c, rows, columns, channels, stride, out_rows,
                           out_columns, most ? most + image * out_map + c : NULL,
                           mean ? mean + image * out_map + c : NULL, input_gradient + image * map + c)
}

/* Pixels of one thread, as [*first, *first + count). */
static long share(long pixels, long *first)
{
    long threads = omp_get_num_threads(), thread = omp_get_thread_num();
    *first = pixels * thread / threads;
    return pixels * (thread + 1) / threads - *first;
}

/* Mean and biased variance over the pixels of (pixels, channels), in two passes. */
void autodas_moments(const float *u, long pixels, long channels, float *mean, float *variance)
{
    int most = omp_get_max_threads(), used = 1;
    float *means = malloc(sizeof(float) * most * channels), *deviations = malloc(sizeof(float) * most * channels);
    long *counts = calloc(most, sizeof(long));
#pragma omp parallel
    {
        long first, count = share(pixels, &first), thread = omp_get_thread_num();
        counts[thread] = count;
#pragma omp single
        used = omp_get_num_threads();
        if (count)
            FOR_CHANNEL_BLOCKS(moments, u + first * channels + c, count, channels, means + thread * channels + c,
                               deviations + thread * channels + c)
    }
    for (long c = 0; c < channels; c++) {
        double n = 0, m = 0, d = 0;
        for (int t = 0; t < used; t++)
            if (counts[t]) {
                double gap = means[t * channels + c] - m, both = n + counts[t];
                d += deviations[t * channels + c] + gap * gap * n * counts[t] / both;
                m += gap * counts[t] / both;
                n = both;
            }
        mean[c] = m;
        variance[c] = d / n;
    }
    free(means);
    free(deviations);
    free(counts);
}

/* scale * u + shift is the normalised u. */
static void normalisation(const float *mean, const float *variance, float epsilon, long channels, float *scale,
                          float *shift)
{
    for (long c = 0; c < channels; c++) {
        scale[c] = 1 / sqrtf(variance[c] + epsilon);
        shift[c] = -mean[c] * scale[c];
    }
}

/*
 * From the threads' sums of upstream and of upstream * normalised: a, b and d such that the gradient of u is
 * a * upstream + b * u + d, which is
 * factor * scale * (upstream - mean(upstream) - normalised * mean(upstream * normalised)). Constant moments pass
 * no gradient on. Returned is the gradient of factor.
 */
static double gradient_factors(int used, long pixels, long channels, float factor, int constant,
                               const float *scale, const float *shift, const double *firsts,
                               const double *seconds, float *a, float *b, float *d)
{
    double all = 0;
    for (long c = 0; c < channels; c++) {
        double plain = 0, product = 0;
        for (int t = 0; t < used; t++) {
            plain += firsts[t * channels + c];
            product += seconds[t * channels + c];
        }
        all += product;
        a[c] = factor * scale[c];
        b[c] = constant ? 0 : -a[c] * scale[c] * product / pixels;
        d[c] = constant ? 0 : -a[c] * (plain + shift[c] * product) / pixels;
    }
    return all;
}

/*
 * A unit ends with a pointwise convolution and batch normalisation. Both are computed in blocks of pixels that
 * stay in the cache; u, the output of the convolution, is computed again wherever that is cheaper than to write
 * it to memory and to read it back.
 */
#define BLOCK 64

static void turn(const float *weight, long channels, float *turned)
{
    for (long o = 0; o < channels; o++)
        for (long c = 0; c < channels; c++)
            turned[c * channels + o] = weight[o * channels + c];
}

static void multiply(const float *a, long rows, long channels, const float *b, float *out)
{
    FOR_CHANNEL_BLOCKS(product, a, rows, channels, b + c, channels, out + c)
}

/* out = features x weight^T; told are mean and biased variance of each channel of it. out may be null. */
void autodas_pointwise(const float *features, long pixels, long channels, const float *weight, float *mean,
                       float *variance, float *out)
{
    int most = omp_get_max_threads(), used = 1;
    float *turned = malloc(sizeof(float) * channels * channels);
    float *centre = malloc(sizeof(float) * channels * (BLOCK + 1)), *start = centre + channels;
    double *firsts = calloc(2 * most * channels, sizeof(double)), *seconds = firsts + most * channels;
    turn(weight, channels, turned);
    /* Deviations are taken from the mean of the first pixels: from zero, a large mean would drown them. */
    long few = pixels < BLOCK ? pixels : BLOCK;
    multiply(features, few, channels, turned, start);
    for (long c = 0; c < channels; c++) {
        double sum = 0;
        for (long p = 0; p < few; p++)
            sum += start[p * channels + c];
        centre[c] = sum / few;
    }
#pragma omp parallel
    {
        long first, count = share(pixels, &first), place = omp_get_thread_num() * channels;
        float *block = malloc(sizeof(float) * BLOCK * channels);
#pragma omp single
        used = omp_get_num_threads();
        for (long p = first; p < first + count; p += BLOCK) {
            long rows = first + count - p < BLOCK ? first + count - p : BLOCK;
            float *u = out ? out + p * channels : block;
            multiply(features + p * channels, rows, channels, turned, u);
            FOR_CHANNEL_BLOCKS(deviations, u + c, rows, channels, centre + c, firsts + place + c,
                               seconds + place + c)
        }
        free(block);
    }
    for (long c = 0; c < channels; c++) {
        double one = 0, two = 0;
        for (int t = 0; t < used; t++) {
            one += firsts[t * channels + c];
            two += seconds[t * channels + c];
        }
        one /= pixels;
        mean[c] = centre[c] + one;
        double v = two / pixels - one * one;
        variance[c] = v > 0 ? v : 0;
    }
    free(turned);
    free(centre);
    free(firsts);
}

/* sum += factor * (u - mean) / sqrt(variance + epsilon) with u = features x weight^T. */
void autodas_unit_end_forward(const float *features, long pixels, long channels, const float *weight,
                              float factor, float epsilon, const float *mean, const float *variance, float *sum)
{
    float *turned = malloc(sizeof(float) * channels * (channels + 1)), *shift = turned + channels * channels;
    for (long o = 0; o < channels; o++) {
        float scale = factor / sqrtf(variance[o] + epsilon);
        shift[o] = -mean[o] * scale;
        for (long c = 0; c < channels; c++)
            turned[c * channels + o] = weight[o * channels + c] * scale;
    }
#pragma omp parallel
    {
        long first, count = share(pixels, &first);
        float *block = malloc(sizeof(float) * BLOCK * channels);
        for (long p = first; p < first + count; p += BLOCK) {
            long rows = first + count - p < BLOCK ? first + count - p : BLOCK;
            multiply(features + p * channels, rows, channels, turned, block);
            for (long r = 0; r < rows; r++)
                for (long c = 0; c < channels; c++)
                    sum[(p + r) * channels + c] += block[r * channels + c] + shift[c];
        }
        free(block);
    }
    free(turned);
}

/*
 * Gradients of autodas_unit_end_forward: of the features, of the weight (unless null), and of factor. With
 * constant moments, as in evaluation, they pass no gradient on.
 */
void autodas_unit_end_backward(const float *features, const float *upstream, long pixels, long channels,
                               const float *weight, float factor, float epsilon, int constant,
                               const float *mean, const float *variance, float *feature_gradient,
                               float *weight_gradient, float *total)
{
    int most = omp_get_max_threads(), used = 1;
    long square = channels * channels;
    float *memory = malloc(sizeof(float) * (square + channels * (5 + 2 * BLOCK * most) + square * most));
    float *turned = memory, *scale = turned + square, *shift = scale + channels, *a = shift + channels;
    float *b = a + channels, *d = b + channels, *blocks = d + channels;
    float *gradients = blocks + 2 * BLOCK * most * channels;
    double *firsts = calloc(2 * most * channels, sizeof(double)), *seconds = firsts + most * channels;
    turn(weight, channels, turned);
    normalisation(mean, variance, epsilon, channels, scale, shift);
#pragma omp parallel
    {
        long first, count = share(pixels, &first), thread = omp_get_thread_num(), place = thread * channels;
        float *u = blocks + 2 * BLOCK * place, *one = u + BLOCK * channels, *two = one + channels;
#pragma omp single
        used = omp_get_num_threads();
        for (long p = first; p < first + count; p += BLOCK) {
            long rows = first + count - p < BLOCK ? first + count - p : BLOCK;
            multiply(features + p * channels, rows, channels, turned, u);
            FOR_CHANNEL_BLOCKS(sums, u + c, upstream + p * channels + c, rows, channels, scale + c, shift + c,
                               one + c, two + c)
            for (long c = 0; c < channels; c++) {
                firsts[place + c] += one[c];
                seconds[place + c] += two[c];
            }
        }
    }
    *total = gradient_factors(used, pixels, channels, factor, constant, scale, shift, firsts, seconds, a, b, d);
#pragma omp parallel
    {
        long first, count = share(pixels, &first), thread = omp_get_thread_num();
        float *u = blocks + 2 * BLOCK * thread * channels, *du = u + BLOCK * channels;
        float *mine = gradients + thread * square;
        memset(mine, 0, sizeof(float) * square);
        for (long p = first; p < first + count; p += BLOCK) {
            long rows = first + count - p < BLOCK ? first + count - p : BLOCK;
            multiply(features + p * channels, rows, channels, turned, u);
            FOR_CHANNEL_BLOCKS(combine, u + c, upstream + p * channels + c, rows, channels, a + c, b + c, d + c,
                               du + c)
            multiply(du, rows, channels, weight, feature_gradient + p * channels);
            if (weight_gradient)
                FOR_CHANNEL_BLOCKS(outer_product, du, rows, channels, features + p * channels + c, channels,
                                   mine + c)
        }
    }
    if (weight_gradient) {
        memset(weight_gradient, 0, sizeof(float) * square);
        for (int t = 0; t < used; t++)
            for (long i = 0; i < square; i++)
                weight_gradient[i] += gradients[t * square + i];
    }
    free(memory);
    free(firsts);
}

/*
 * out += factor * (u - mean) / sqrt(variance + epsilon), channel by channel. The moments are those of u, and
 * are told, unless they are given.
 */
void autodas_normalise_add(const float *u, long pixels, long channels, float factor, float epsilon, int given,
                           float *mean, float *variance, float *out)
{
    if (!given)
        autodas_moments(u, pixels, channels, mean, variance);
    float *scale = malloc(2 * sizeof(float) * channels), *shift = scale + channels;
    for (long c = 0; c < channels; c++) {
        scale[c] = factor / sqrtf(variance[c] + epsilon);
        shift[c] = -mean[c] * scale[c];
    }
#pragma omp parallel
    {
        long first, count = share(pixels, &first);
        FOR_CHANNEL_BLOCKS(affine, u + first * channels + c, count, channels, scale + c, shift + c,
                           out + first * channels + c, 1)
    }
    free(scale);
}

/*
 * Gradient of factor * (u - mean) / sqrt(variance + epsilon) with respect to u, written over u; told is the sum
 * of upstream times the normalised value, which is the gradient of factor. With constant moments, as in
 * evaluation, they pass no gradient on.
 */
void autodas_normalise_backward(float *u, const float *upstream, long pixels, long channels, float factor,
                                float epsilon, int constant, const float *mean, const float *variance,
                                float *total)
{
    int most = omp_get_max_threads(), used = 1;
    float *memory = malloc(sizeof(float) * channels * (5 + 2 * most));
    float *scale = memory, *shift = scale + channels, *a = shift + channels, *b = a + channels;
    float *d = b + channels, *parts = d + channels;
    double *firsts = calloc(2 * most * channels, sizeof(double)), *seconds = firsts + most * channels;
    normalisation(mean, variance, epsilon, channels, scale, shift);
#pragma omp parallel
    {
        long first, count = share(pixels, &first), place = omp_get_thread_num() * channels;
        float *one = parts + 2 * place, *two = one + channels;
#pragma omp single
        used = omp_get_num_threads();
        FOR_CHANNEL_BLOCKS(sums, u + first * channels + c, upstream + first * channels + c, count, channels,
                           scale + c, shift + c, one + c, two + c)
        for (long c = 0; c < channels; c++) {
            firsts[place + c] = one[c];
            seconds[place + c] = two[c];
        }
    }
    *total = gradient_factors(used, pixels, channels, factor, constant, scale, shift, firsts, seconds, a, b, d);
#pragma omp parallel
    {
        long first, count = share(pixels, &first);
        FOR_CHANNEL_BLOCKS(combine, u + first * channels + c, upstream + first * channels + c, count, channels,
                           a + c, b + c, d + c, u + first * channels + c)
    }
    free(memory);
    free(firsts);
}
