/* The inner loops for one number of channels at a time: LANES. Included once for each. */

typedef float VEC __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int IVEC __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

/* out = sum over taps of weight * in, for all positions of one map and LANES channels. */
static inline __attribute__((always_inline)) void NAME(correlate)(
    const int K, const float *restrict in, long row, long pixel, long origin, const int dilation,
    const float *restrict weight, long channels, float *restrict out, int rows, int columns, long step,
    const int add)
{
    VEC taps[K * K];
    for (int t = 0; t < K * K; t++)
        taps[t] = *(const VEC *)(weight + t * channels);
    for (int y = 0; y < rows; y++) {
        const float *line = in + origin + y * step * row;
        float *target = out + (long)y * columns * channels;
        int x = 0;
        /* Four positions at once: their sums do not wait for each other. */
        for (; x + 4 <= columns; x += 4) {
            VEC sum[4];
            for (int i = 0; i < 4; i++)
                sum[i] = add ? *(const VEC *)(target + (x + i) * channels) : (VEC){0};
            for (int ky = 0; ky < K; ky++)
                for (int kx = 0; kx < K; kx++) {
                    const float *at = line + ky * dilation * row + (x * step + kx * dilation) * pixel;
                    for (int i = 0; i < 4; i++)
                        sum[i] += taps[ky * K + kx] * *(const VEC *)(at + i * step * pixel);
                }
            for (int i = 0; i < 4; i++)
                *(VEC *)(target + (x + i) * channels) = sum[i];
        }
        for (; x < columns; x++) {
            VEC sum = add ? *(const VEC *)(target + x * channels) : (VEC){0};
            for (int ky = 0; ky < K; ky++)
                for (int kx = 0; kx < K; kx++)
                    sum += taps[ky * K + kx]
                        * *(const VEC *)(line + ky * dilation * row + (x * step + kx * dilation) * pixel);
            *(VEC *)(target + x * channels) = sum;
        }
    }
}

/* gradient of the weights: for every tap the sum over positions of in * upstream. */
static inline __attribute__((always_inline)) void NAME(weight_gradient)(
    const int K, const float *restrict in, long row, long pixel, long origin, const int dilation,
    const float *restrict upstream, long channels, float *restrict gradient, int rows, int columns, long step)
{
    VEC sum[K * K];
    for (int t = 0; t < K * K; t++)
        sum[t] = *(const VEC *)(gradient + t * channels);
    for (int y = 0; y < rows; y++) {
        const float *line = in + origin + y * step * row;
        const float *source = upstream + (long)y * columns * channels;
        for (int x = 0; x < columns; x++) {
            VEC up = *(const VEC *)(source + x * channels);
            for (int ky = 0; ky < K; ky++)
                for (int kx = 0; kx < K; kx++)
                    sum[ky * K + kx] += up
                        * *(const VEC *)(line + ky * dilation * row + (x * step + kx * dilation) * pixel);
        }
    }
    for (int t = 0; t < K * K; t++)
        *(VEC *)(gradient + t * channels) = sum[t];
}

/* One compiled form for each window and dilation that operations use. */
static void NAME(correlate_any)(
    int kernel, int dilation, const float *in, long row, long pixel, long origin, const float *weight,
    long channels, float *out, int rows, int columns, long step, int add)
{
#define CASE(K, D)                                                                                        \
    if (kernel == K && dilation == D) {                                                                   \
        if (add)                                                                                          \
            NAME(correlate)(K, in, row, pixel, origin, D, weight, channels, out, rows, columns, step, 1); \
        else                                                                                              \
            NAME(correlate)(K, in, row, pixel, origin, D, weight, channels, out, rows, columns, step, 0); \
        return;                                                                                           \
    }
    CASE(3, 1)
    CASE(5, 1)
    CASE(3, 2)
    CASE(5, 2)
    CASE(7, 1)
#undef CASE
}

static void NAME(weight_gradient_any)(
    int kernel, int dilation, const float *in, long row, long pixel, long origin, const float *upstream,
    long channels, float *gradient, int rows, int columns, long step)
{
#define CASE(K, D)                                                                                       \
    if (kernel == K && dilation == D) {                                                                  \
        NAME(weight_gradient)(K, in, row, pixel, origin, D, upstream, channels, gradient, rows, columns, \
                              step);                                                                     \
        return;                                                                                          \
    }
    CASE(3, 1)
    CASE(5, 1)
    CASE(3, 2)
    CASE(5, 2)
    CASE(7, 1)
#undef CASE
}

/* Sums run over CHUNK pixels at a time: adding small numbers to a large sum would lose their last digits. */
#define CHUNK 256

/* Mean and sum of squared deviations over pixels. */
static void NAME(moments)(const float *u, long pixels, long channels, float *mean, float *deviation)
{
    VEC sum = {0}, squares = {0};
    for (long start = 0; start < pixels; start += CHUNK) {
        long end = start + CHUNK < pixels ? start + CHUNK : pixels;
        VEC part = {0};
        for (long p = start; p < end; p++)
            part += *(const VEC *)(u + p * channels);
        sum += part;
    }
    VEC centre = sum / (float)pixels;
    for (long start = 0; start < pixels; start += CHUNK) {
        long end = start + CHUNK < pixels ? start + CHUNK : pixels;
        VEC part = {0};
        for (long p = start; p < end; p++) {
            VEC d = *(const VEC *)(u + p * channels) - centre;
            part += d * d;
        }
        squares += part;
    }
    *(VEC *)mean = centre;
    *(VEC *)deviation = squares;
}

/* out (+)= scale * u + shift. */
static void NAME(affine)(const float *u, long pixels, long channels, const float *scale, const float *shift,
                         float *out, int add)
{
    VEC s = *(const VEC *)scale, t = *(const VEC *)shift;
    for (long p = 0; p < pixels; p++) {
        VEC v = *(const VEC *)(u + p * channels) * s + t;
        if (add)
            v += *(const VEC *)(out + p * channels);
        *(VEC *)(out + p * channels) = v;
    }
}

/* Sums over pixels of the upstream gradient, and of it times the normalised value scale * u + shift. */
static void NAME(sums)(const float *u, const float *upstream, long pixels, long channels, const float *scale,
                       const float *shift, float *plain, float *product)
{
    VEC s = *(const VEC *)scale, t = *(const VEC *)shift, first = {0}, second = {0};
    for (long start = 0; start < pixels; start += CHUNK) {
        long end = start + CHUNK < pixels ? start + CHUNK : pixels;
        VEC part = {0}, product_part = {0};
        for (long p = start; p < end; p++) {
            VEC d = *(const VEC *)(upstream + p * channels);
            part += d;
            product_part += d * (*(const VEC *)(u + p * channels) * s + t);
        }
        first += part;
        second += product_part;
    }
    *(VEC *)plain = first;
    *(VEC *)product = second;
}

/* out = a * upstream + b * u + c. */
static void NAME(combine)(const float *u, const float *upstream, long pixels, long channels, const float *a,
                          const float *b, const float *c, float *out)
{
    VEC x = *(const VEC *)a, y = *(const VEC *)b, z = *(const VEC *)c;
    for (long p = 0; p < pixels; p++)
        *(VEC *)(out + p * channels) =
            x * *(const VEC *)(upstream + p * channels) + y * *(const VEC *)(u + p * channels) + z;
}

#undef CHUNK

/* 3x3 pools of one map, with one pixel of padding that counts in neither. Either output may be null. */
static void NAME(pools)(const float *x, int rows, int columns, long channels, int stride, int out_rows,
                        int out_columns, float *most, float *mean)
{
    for (int y = 0; y < out_rows; y++)
        for (int p = 0; p < out_columns; p++) {
            int top = y * stride - 1, left = p * stride - 1, count = 0;
            VEC sum = {0}, best = {0};
            for (int r = top < 0 ? 0 : top; r <= top + 2 && r < rows; r++)
                for (int q = left < 0 ? 0 : left; q <= left + 2 && q < columns; q++) {
                    VEC v = *(const VEC *)(x + ((long)r * columns + q) * channels);
                    if (count == 0)
                        best = v;
                    IVEC larger = v > best;
                    best = (VEC)(((IVEC)v & larger) | ((IVEC)best & ~larger));
                    sum += v;
                    count++;
                }
            long place = ((long)y * out_columns + p) * channels;
            if (most)
                *(VEC *)(most + place) = best;
            if (mean)
                *(VEC *)(mean + place) = sum / (float)count;
        }
}

/* Their gradient, added to input_gradient. Of equal values the first was taken. */
static void NAME(pools_gradient)(const float *x, int rows, int columns, long channels, int stride,
                                 int out_rows, int out_columns, const float *most, const float *mean,
                                 float *input_gradient)
{
    for (int y = 0; y < out_rows; y++)
        for (int p = 0; p < out_columns; p++) {
            int top = y * stride - 1, left = p * stride - 1, count = 0;
            long place = ((long)y * out_columns + p) * channels;
            VEC best = {0};
            IVEC winner = {0};
            for (int r = top < 0 ? 0 : top; r <= top + 2 && r < rows; r++)
                for (int q = left < 0 ? 0 : left; q <= left + 2 && q < columns; q++) {
                    VEC v = *(const VEC *)(x + ((long)r * columns + q) * channels);
                    if (count == 0)
                        best = v;
                    IVEC larger = v > best;
                    best = (VEC)(((IVEC)v & larger) | ((IVEC)best & ~larger));
                    winner = (larger & count) | (winner & ~larger);
                    count++;
                }
            VEC share = {0}, whole = {0};
            if (mean)
                share = *(const VEC *)(mean + place) / (float)count;
            if (most)
                whole = *(const VEC *)(most + place);
            count = 0;
            for (int r = top < 0 ? 0 : top; r <= top + 2 && r < rows; r++)
                for (int q = left < 0 ? 0 : left; q <= left + 2 && q < columns; q++) {
                    float *target = input_gradient + ((long)r * columns + q) * channels;
                    *(VEC *)target += share + (VEC)((IVEC)whole & (winner == count));
                    count++;
                }
        }
}

/* out[r] = sum over k of a[r][k] * b[k], for LANES columns of b and out. */
static void NAME(product)(const float *restrict a, long rows, long inner, const float *restrict b, long columns,
                          float *restrict out)
{
    long r = 0;
    for (; r + 8 <= rows; r += 8) {
        VEC sum[8] = {{0}};
        for (long k = 0; k < inner; k++) {
            VEC v = *(const VEC *)(b + k * columns);
            for (int i = 0; i < 8; i++)
                sum[i] += a[(r + i) * inner + k] * v;
        }
        for (int i = 0; i < 8; i++)
            *(VEC *)(out + (r + i) * columns) = sum[i];
    }
    for (; r < rows; r++) {
        VEC sum = {0};
        for (long k = 0; k < inner; k++)
            sum += a[r * inner + k] * *(const VEC *)(b + k * columns);
        *(VEC *)(out + r * columns) = sum;
    }
}

/* out[k] += sum over r of a[r][k] * b[r], for LANES columns of b and out. */
static void NAME(outer_product)(const float *restrict a, long rows, long inner, const float *restrict b,
                                long columns, float *restrict out)
{
    long k = 0;
    for (; k + 8 <= inner; k += 8) {
        VEC sum[8];
        for (int i = 0; i < 8; i++)
            sum[i] = *(const VEC *)(out + (k + i) * columns);
        for (long r = 0; r < rows; r++) {
            VEC v = *(const VEC *)(b + r * columns);
            for (int i = 0; i < 8; i++)
                sum[i] += a[r * inner + k + i] * v;
        }
        for (int i = 0; i < 8; i++)
            *(VEC *)(out + (k + i) * columns) = sum[i];
    }
    for (; k < inner; k++) {
        VEC sum = *(const VEC *)(out + k * columns);
        for (long r = 0; r < rows; r++)
            sum += a[r * inner + k] * *(const VEC *)(b + r * columns);
        *(VEC *)(out + k * columns) = sum;
    }
}

/* Add to the sums over pixels of u - centre and of its square. */
static void NAME(deviations)(const float *u, long pixels, long channels, const float *centre, double *first,
                             double *second)
{
    VEC c = *(const VEC *)centre, one = {0}, two = {0};
    for (long p = 0; p < pixels; p++) {
        VEC d = *(const VEC *)(u + p * channels) - c;
        one += d;
        two += d * d;
    }
    for (int i = 0; i < LANES; i++) {
        first[i] += one[i];
        second[i] += two[i];
    }
}
