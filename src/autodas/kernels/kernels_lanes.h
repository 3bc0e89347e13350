/* The inner loops for LANES channels at a time; included once for each number. */

typedef float VEC __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int IVEC __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

#define AT(p) (*(const VEC *)(p))

/* Taps k of a window, k0 <= k < k1, that read one of a map's rows from position first on, distance apart. */
#define TAPS_INSIDE(k0, k1, K, first, distance, size)                     \
    int k0 = 0, k1 = K;                                                   \
    while (k0 < K && (first) + k0 * (distance) < 0)                       \
        k0++;                                                             \
    while (k1 > k0 && (first) + (k1 - 1) * (distance) >= (size))          \
        k1--;

/*
 * P adjacent outputs of a depthwise convolution: each pixel that they read is loaded once for all of them. Only the
 * window's rows from k0 to k1 are inside the map. WHOLE: the outputs are a whole row of the map, and taps beside it
 * are left out, rather than multiplied by its zero borders. Z: only every Z-th pixel of the map, in both directions, is
 * not zero; out begins at one of them, and top is the number of the row that the first tap reads.
 */
static inline __attribute__((always_inline)) void NAME(correlate_strip)(
    const int P, const int K, const int D, const int S, const int WHOLE, const int Z, const float *in, long row,
    long pixel, const float *weight, long channels, float *out, long out_pixel, int top, int k0, int k1, int add)
{
    const int span = (P - 1) * S + (K - 1) * D + 1, border = D * (K / 2);
    VEC sum[STRIP];
    float *target = out;
    if (add)
        UNROLL for (int i = 0; i < P; i++, STEP(target, out_pixel))
            sum[i] = AT(target);
    else
        UNROLL for (int i = 0; i < P; i++)
            sum[i] = (VEC){0};
    for (int ky = k0; ky < k1; ky++) {
        if (Z > 1 && (top + ky * D) % Z)
            continue;
        VEC w[7];
        UNROLL for (int kx = 0; kx < K; kx++)
            w[kx] = AT(weight + (ky * K + kx) * channels);
        const float *place = in + ky * D * row;
        if (P <= 8 && S == 1) { /* so few that all pixels fit in the registers, too: sums wait less tap by tap */
            VEC v[MOST];
            UNROLL for (int j = 0; j < span; j++, STEP(place, pixel))
                if ((!WHOLE || (j >= border && j < border + P)) && (j + border) % Z == 0)
                    v[j] = AT(place);
            UNROLL for (int kx = 0; kx < K; kx++)
                UNROLL for (int i = 0; i < P; i++)
                    if ((!WHOLE || (i + kx * D >= border && i + kx * D < border + P)) && (i + kx * D + border) % Z == 0)
                        sum[i] += w[kx] * v[i + kx * D];
            continue;
        }
        UNROLL for (int j = 0; j < span; j++, STEP(place, pixel)) {
            if ((WHOLE && (j < border || j >= border + P)) || (j + border) % Z != 0)
                continue;
            VEC v = AT(place);
            UNROLL for (int kx = 0; kx < K; kx++) {
                int ahead = j - kx * D;
                if (ahead >= 0 && ahead % S == 0 && ahead / S < P)
                    sum[ahead / S] += w[kx] * v;
            }
        }
    }
    UNROLL for (int i = 0; i < P; i++, STEP(out, out_pixel))
        *(VEC *)out = sum[i];
}

/*
 * out (+)= sum over taps of weight * in, for rows of one map, of which first is the number of the first and height
 * the number of rows that are read. in begins at the first tap. Z: as in correlate_strip.
 */
static inline __attribute__((always_inline)) void NAME(correlate)(
    const int K, const int D, const int S, const int Z, const float *in, long row, long pixel, const float *weight,
    long channels, float *out, long out_row, long out_pixel, int rows, int columns, int first, int height, int add)
{
    const int P = S == 1 ? STRIP : STRIP / 2;
    for (int y = 0; y < rows; y++) {
        const float *line = in + (long)y * S * row;
        float *target = out + y * out_row;
        int x = 0, top = (first + y) * S - D * (K / 2);
        TAPS_INSIDE(k0, k1, K, top, D, height)
#define STRIPS(P, WHOLE)                                                                                           \
    NAME(correlate_strip)(P, K, D, S, WHOLE, (P) % Z ? 1 : Z, line + (long)x * S * pixel, row, pixel, weight,      \
                          channels, target + x * out_pixel, out_pixel, top, k0, k1, add)
        if (S == 1 && LANES >= 8 && columns == STRIP)
            STRIPS(STRIP, 1);
        else if (S == 1 && LANES >= 8 && columns == 8)
            STRIPS(8, 1);
        else if (S == 1 && LANES >= 8 && columns == 4)
            STRIPS(4, 1);
        else if (S == 1 && LANES >= 8 && columns == 2)
            STRIPS(2, 1);
        else {
            for (; x + P <= columns; x += P)
                STRIPS(P, 0);
            for (; x + 4 <= columns; x += 4)
                STRIPS(4, 0);
            for (; x < columns; x++)
                STRIPS(1, 0);
        }
#undef STRIPS
    }
}

/*
 * Gradient of R rows of the weights, from row ky of the window on, added: for every tap the sum over positions of in *
 * upstream. The rows from first to before last of upstream are read, and P of their pixels at a time. WHOLE: these are a
 * whole row.
 */
static inline __attribute__((always_inline)) void NAME(weight_gradient_rows)(
    const int P, const int K, const int D, const int S, const int WHOLE, const int R, int ky, const float *in, long row,
    long pixel, const float *upstream, long up_row, long up_pixel, long channels, float *gradient, int first, int last,
    int columns)
{
    /* With one row two sums for each tap: an addition need not wait for the previous one. */
    const int border = D * (K / 2), N = R == 1 ? 2 : 1;
    VEC sum[3][7];
    UNROLL for (int i = 0; i < R * N; i++)
        UNROLL for (int kx = 0; kx < K; kx++)
            sum[i][kx] = (VEC){0};
    for (int y = first; y < last; y++) {
        const float *line = in + ((long)y * S + ky * D) * row, *source = upstream + y * up_row;
        int x = 0;
#define PART(P, WHOLE)                                                                                    \
    {                                                                                                     \
        VEC up[P];                                                                                        \
        const float *place = line + (long)x * S * pixel;                                                  \
        UNROLL for (int i = 0; i < P; i++, STEP(source, up_pixel))                                        \
            up[i] = AT(source);                                                                           \
        UNROLL for (int j = 0; j <= (P - 1) * S + (K - 1) * D; j++, STEP(place, pixel)) {                 \
            if (WHOLE && (j < border || j >= border + P))                                                 \
                continue;                                                                                 \
            UNROLL for (int r = 0; r < R; r++) {                                                          \
                VEC v = AT(place + r * D * row);                                                          \
                UNROLL for (int kx = 0; kx < K; kx++) {                                                   \
                    int ahead = j - kx * D, i = ahead / S;                                                \
                    if (ahead >= 0 && ahead % S == 0 && i < P)                                            \
                        sum[N == 2 ? i & 1 : r][kx] += up[i] * v;                                         \
                }                                                                                         \
            }                                                                                             \
        }                                                                                                 \
    }
        if (WHOLE)
            PART(P, 1)
        else {
            for (; x + P <= columns; x += P)
                PART(P, 0)
            for (; x < columns; x++)
                PART(1, 0)
        }
#undef PART
    }
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int kx = 0; kx < K; kx++) {
            VEC *target = (VEC *)(gradient + ((ky + r) * K + kx) * channels);
            if (N == 2)
                sum[0][kx] += sum[1][kx];
            *target += sum[r][kx];
        }
}

/* Gradient of the weights, added. height: as in correlate. */
static inline __attribute__((always_inline)) void NAME(weight_gradient_of)(
    const int P, const int K, const int D, const int S, const int WHOLE, const float *in, long row, long pixel,
    const float *upstream, long up_row, long up_pixel, long channels, float *gradient, int rows, int columns, int height)
{
    /* Between these rows the whole window is inside the map. */
    const int border = D * (K / 2), R = K == 3 ? 3 : 1;
    int top = (border + S - 1) / S, bottom = (height - border - 1) / S + 1;
    bottom = bottom > rows ? rows : bottom;
    if (bottom < top)
        top = bottom = rows;
#define ROWS(R, ky, first, last)                                                                                     \
    NAME(weight_gradient_rows)(P, K, D, S, WHOLE, R, ky, in, row, pixel, upstream, up_row, up_pixel, channels, gradient, \
                               first, last, columns)
    if (R == K)
        ROWS(R, 0, top, bottom);
    for (int ky = 0; ky < K; ky++) {
        int above = border - ky * D, first = above > 0 ? (above + S - 1) / S : 0;
        int below = height - 1 + above, last = below < 0 ? 0 : below / S + 1;
        last = last > rows ? rows : last;
        if (R == K) {
            ROWS(1, ky, first, top < last ? top : last);
            first = first > bottom ? first : bottom;
        }
        ROWS(1, ky, first, last);
    }
#undef ROWS
}

static inline __attribute__((always_inline)) void NAME(weight_gradient)(
    const int K, const int D, const int S, const float *in, long row, long pixel, const float *upstream,
    long up_row, long up_pixel, long channels, float *gradient, int rows, int columns, int height)
{
#define OF(P, WHOLE)                                                                                           \
    NAME(weight_gradient_of)(P, K, D, S, WHOLE, in, row, pixel, upstream, up_row, up_pixel, channels, gradient, \
                             rows, columns, height)
    if (S == 1 && LANES >= 8 && columns == 8)
        OF(8, 1);
    else if (S == 1 && LANES >= 8 && columns == 4)
        OF(4, 1);
    else if (S == 1 && LANES >= 8 && columns == 2)
        OF(2, 1);
    else
        OF(S == 1 ? 8 : 4, 0);
#undef OF
}

/* The windows and dilations used by operations. */
#define FORMS(FORM) \
    FORM(3, 1)      \
    FORM(5, 1)      \
    FORM(3, 2)      \
    FORM(5, 2)      \
    FORM(7, 1)

/* zeros: Z, for a stride of 1. */
static void NAME(correlate_any)(int kernel, int dilation, int stride, int zeros, const float *in, long row, long pixel,
                                const float *weight, long channels, float *out, long out_row, long out_pixel,
                                int rows, int columns, int first, int height, int add)
{
#define CALL(K, D, S, Z)                                                                                            \
    NAME(correlate)(K, D, S, Z, in, row, pixel, weight, channels, out, out_row, out_pixel, rows, columns, first,    \
                    height, add)
#define FORM(K, D)                                \
    if (kernel == K && dilation == D) {           \
        if (stride == 2)                          \
            CALL(K, D, 2, 1);                     \
        else if (LANES >= 8 && zeros == 2)        \
            CALL(K, D, 1, 2);                     \
        else                                      \
            CALL(K, D, 1, 1);                     \
        return;                                   \
    }
    FORMS(FORM)
#undef FORM
#undef CALL
}

static void NAME(weight_gradient_any)(int kernel, int dilation, int stride, const float *in, long row, long pixel,
                                      const float *upstream, long up_row, long up_pixel, long channels,
                                      float *gradient, int rows, int columns, int height)
{
#define CALL(K, D, S)                                                                                        \
    NAME(weight_gradient)(K, D, S, in, row, pixel, upstream, up_row, up_pixel, channels, gradient, rows, columns, \
                          height)
#define FORM(K, D)                      \
    if (kernel == K && dilation == D) { \
        if (stride == 2)                \
            CALL(K, D, 2);              \
        else                            \
            CALL(K, D, 1);              \
        return;                         \
    }
    FORMS(FORM)
#undef FORM
#undef CALL
}

#undef FORMS

/* out = relu(scale * x + shift). */
static void NAME(rectify)(const float *x, long pixels, long channels, const float *scale, const float *shift, float *out)
{
    VEC s = AT(scale), t = AT(shift), zero = {0};
    for (long p = 0; p < pixels; p++) {
        VEC v = AT(x + p * channels) * s + t;
        *(VEC *)(out + p * channels) = (VEC)((IVEC)v & (v > zero));
    }
}

/* out = relu(x) */
static void NAME(pick)(const float *x, long pixels, long pixel, float *out, long out_pixel)
{
    VEC zero = {0};
    for (long p = 0; p < pixels; p++) {
        VEC v = AT(x + p * pixel);
        *(VEC *)(out + p * out_pixel) = (VEC)((IVEC)v & (v > zero));
    }
}

/* Add its gradients to those of x, from its values. */
static void NAME(put_back)(const float *values, const float *gradients, long pixels, long channels, float *target,
                           long pixel)
{
    VEC zero = {0};
    for (long p = 0; p < pixels; p++) {
        IVEC active = AT(values + p * channels) > zero;
        *(VEC *)(target + p * pixel) += (VEC)((IVEC)AT(gradients + p * channels) & active);
    }
}

/* Zero gradients where that ReLU was inactive. */
static void NAME(mask)(const float *x, long pixels, long channels, const float *scale, const float *shift, float *gradient)
{
    VEC s = AT(scale), t = AT(shift), zero = {0};
    for (long p = 0; p < pixels; p++) {
        VEC v = AT(x + p * channels) * s + t;
        *(VEC *)(gradient + p * channels) = (VEC)((IVEC)AT(gradient + p * channels) & (v > zero));
    }
}

/*
 * One tap of a window in time: out += weight * relu(scale * x + shift), at the pixels of a frame selected by a
 * stride. scale may be null.
 */
static void NAME(add_frame)(const float *x, long row, long pixel, const float *scale, const float *shift,
                            const float *weight, float *out, long channels, long rows, long columns)
{
    VEC w = AT(weight), s = {0}, t = {0}, zero = {0};
    s += 1;
    if (scale) {
        s = AT(scale);
        t = AT(shift);
    }
    for (long y = 0; y < rows; y++)
        for (long p = 0; p < columns; p++, out += channels) {
            VEC v = AT(x + y * row + p * pixel) * s + t;
            *(VEC *)out = AT(out) + w * (VEC)((IVEC)v & (v > zero));
        }
}

/* Its gradients, added: of the ReLU's output to target, laid out as x, and of the weight if it is needed. */
static void NAME(add_frame_gradient)(const float *x, long row, long pixel, const float *scale, const float *shift,
                                     const float *weight, const float *upstream, long up_row, long up_pixel,
                                     float *target, float *weight_gradient, long rows, long columns)
{
    VEC w = AT(weight), s = {0}, t = {0}, zero = {0}, sum = {0};
    s += 1;
    if (scale) {
        s = AT(scale);
        t = AT(shift);
    }
    for (long y = 0; y < rows; y++)
        for (long p = 0; p < columns; p++) {
            long at = y * row + p * pixel;
            VEC up = AT(upstream + y * up_row + p * up_pixel), v = AT(x + at) * s + t;
            *(VEC *)(target + at) = AT(target + at) + w * up;
            sum += up * (VEC)((IVEC)v & (v > zero));
        }
    if (weight_gradient)
        *(VEC *)weight_gradient = AT(weight_gradient) + sum;
}

/*
 * out[i] (+)= sum over k of a[i][k] * b[k], for P rows and V vectors of each. across, along: distances in a of two
 * rows, and of two numbers of a row.
 */
static inline __attribute__((always_inline)) void NAME(rows_product)(
    const int P, const int V, const int ADD, const float *restrict a, long across, long along, long inner,
    const float *restrict b, long pitch, float *restrict out, long out_pitch)
{
    VEC sum[16] = {{0}};
    for (long k = 0; k < inner; k++, b += pitch) {
        VEC v = AT(b), w = V == 2 ? AT(b + LANES) : v;
        UNROLL for (int i = 0; i < P; i++) {
            sum[V * i] += a[i * across + k * along] * v;
            if (V == 2)
                sum[V * i + 1] += a[i * across + k * along] * w;
        }
    }
    UNROLL for (int i = 0; i < P * V; i++) {
        VEC *target = (VEC *)(out + i / V * out_pitch + i % V * LANES);
        if (ADD)
            sum[i] += *target;
        *target = sum[i];
    }
}

/* Let the caches fetch V vectors of P adjacent pixels, from place on, of maps that are read next. */
static inline __attribute__((always_inline)) void NAME(fetch)(const int P, const int V, Ahead ahead, long place,
                                                               long pixel)
{
    if (ahead.one)
        UNROLL for (int i = 0; i < P * V; i++)
            __builtin_prefetch(ahead.one + place + i / V * pixel + i % V * LANES, 0, 2);
    if (ahead.other)
        UNROLL for (int i = 0; i < P * V; i++)
            __builtin_prefetch(ahead.other + place + i / V * pixel + i % V * LANES, 0, 2);
}

/*
 * out[r] = sum over k of a[r][k] * b[k], for V vectors of the columns of b and out. Meanwhile the caches fetch as much of
 * the maps ahead, from place on; each of their pixels has as many numbers as columns.
 */
static inline __attribute__((always_inline)) void NAME(product_any)(
    const int V, const float *a, long rows, long inner, const float *b, long columns, float *out, long out_pitch,
    Ahead ahead, long place)
{
    const int P = V == 2 && WIDEST < 16 ? 4 : 8;
    long r = 0;
    /* A square b of one vector a row stays in the registers. */
    if (STRIP == 16 && V == 1 && inner == LANES) {
        VEC whole[LANES];
        UNROLL for (int k = 0; k < LANES; k++)
            whole[k] = AT(b + k * columns);
        for (; r + P <= rows; r += P) {
            NAME(fetch)(P, V, ahead, place + r * columns, columns);
            VEC sum[8] = {{0}};
            UNROLL for (int k = 0; k < LANES; k++)
                UNROLL for (int i = 0; i < P; i++)
                    sum[i] += a[(r + i) * LANES + k] * whole[k];
            UNROLL for (int i = 0; i < P; i++)
                *(VEC *)(out + (r + i) * out_pitch) = sum[i];
        }
    }
    for (; r + P <= rows; r += P) {
        NAME(fetch)(P, V, ahead, place + r * columns, columns);
        NAME(rows_product)(P, V, 0, a + r * inner, inner, 1, inner, b, columns, out + r * out_pitch, out_pitch);
    }
    for (; r < rows; r++)
        NAME(rows_product)(1, V, 0, a + r * inner, inner, 1, inner, b, columns, out + r * out_pitch, out_pitch);
}

/* out[k] += sum over r of a[r][k] * b[r], for V vectors of the columns of b and out. */
static inline __attribute__((always_inline)) void NAME(outer_product_any)(
    const int V, const float *a, long rows, long inner, const float *b, long columns, float *out)
{
    const int P = WIDEST < 16 && V == 2 ? 4 : WIDEST < 16 || V == 2 ? 8 : 16;
    long k = 0;
    for (; k + P <= inner; k += P)
        NAME(rows_product)(P, V, 1, a + k, 1, inner, rows, b, columns, out + k * columns, columns);
    for (; k + 4 <= inner; k += 4)
        NAME(rows_product)(4, V, 1, a + k, 1, inner, rows, b, columns, out + k * columns, columns);
    for (; k < inner; k++)
        NAME(rows_product)(1, V, 1, a + k, 1, inner, rows, b, columns, out + k * columns, columns);
}

static void NAME(product)(const float *a, long rows, long inner, const float *b, long columns, float *out,
                          long out_pitch, Ahead ahead, long place)
{
    NAME(product_any)(1, a, rows, inner, b, columns, out, out_pitch, ahead, place);
}

static void NAME(outer_product)(const float *a, long rows, long inner, const float *b, long columns, float *out)
{
    NAME(outer_product_any)(1, a, rows, inner, b, columns, out);
}

#if LANES == WIDEST
static void NAME(product_pair)(const float *a, long rows, long inner, const float *b, long columns, float *out,
                               long out_pitch, Ahead ahead, long place)
{
    NAME(product_any)(2, a, rows, inner, b, columns, out, out_pitch, ahead, place);
}

static void NAME(outer_product_pair)(const float *a, long rows, long inner, const float *b, long columns, float *out)
{
    NAME(outer_product_any)(2, a, rows, inner, b, columns, out);
}
#endif

/* P adjacent outputs of a dense convolution, V vectors of each: see convolve. */
static inline __attribute__((always_inline)) void NAME(convolve_strip)(
    const int P, const int V, const float *restrict in, long row, long pixel, long window,
    const float *restrict weight, long pitch, float *restrict out)
{
    VEC sum[12] = {{0}};
    for (long y = 0; y < window; y++, in += row)
        for (long k = 0; k < window * pixel; k++, weight += pitch) {
            VEC v = AT(weight), w = V == 2 ? AT(weight + LANES) : v;
            UNROLL for (int i = 0; i < P; i++) {
                sum[V * i] += in[i * pixel + k] * v;
                if (V == 2)
                    sum[V * i + 1] += in[i * pixel + k] * w;
            }
        }
    UNROLL for (int i = 0; i < P * V; i++)
        *(VEC *)(out + i / V * pitch + i % V * LANES) = sum[i];
}

/*
 * A dense convolution, for LANES of its outputs, or twice as many: in begins at the first tap of the first output,
 * and each of its pixels has as many numbers as the weights of a tap, (window, window, pixel, pitch). Outputs of
 * adjacent pixels have the distance of pitch.
 */
static inline __attribute__((always_inline)) void NAME(convolve_any)(
    const int V, const float *in, long row, long pixel, long window, const float *weight, long pitch, float *out,
    long rows, long columns)
{
    const int P = V == 2 ? 6 : 8; /* as many as fit in the registers */
    for (long y = 0; y < rows; y++, in += row) {
        long x = 0;
        for (; x + P <= columns; x += P, out += P * pitch)
            NAME(convolve_strip)(P, V, in + x * pixel, row, pixel, window, weight, pitch, out);
        for (; x + 2 <= columns; x += 2, out += 2 * pitch)
            NAME(convolve_strip)(2, V, in + x * pixel, row, pixel, window, weight, pitch, out);
        for (; x < columns; x++, out += pitch)
            NAME(convolve_strip)(1, V, in + x * pixel, row, pixel, window, weight, pitch, out);
    }
}

static void NAME(convolve)(const float *in, long row, long pixel, long window, const float *weight, long pitch,
                           float *out, long rows, long columns)
{
    NAME(convolve_any)(1, in, row, pixel, window, weight, pitch, out, rows, columns);
}

#if LANES == WIDEST
static void NAME(convolve_pair)(const float *in, long row, long pixel, long window, const float *weight, long pitch,
                                float *out, long rows, long columns)
{
    NAME(convolve_any)(2, in, row, pixel, window, weight, pitch, out, rows, columns);
}
#endif

/* P adjacent weights of a row of the window, V vectors of each: see convolve_weights. */
static inline __attribute__((always_inline)) void NAME(convolve_weights_strip)(
    const int P, const int V, const float *restrict in, long row, long pixel, const float *restrict upstream,
    long up_row, float *restrict gradient, long pitch, long rows, long columns)
{
    VEC sum[12] = {{0}};
    for (long y = 0; y < rows; y++, in += row, upstream += up_row)
        for (long x = 0; x < columns; x++) {
            VEC v = AT(upstream + x * pitch), w = V == 2 ? AT(upstream + x * pitch + LANES) : v;
            UNROLL for (int i = 0; i < P; i++) {
                sum[V * i] += in[x * pixel + i] * v;
                if (V == 2)
                    sum[V * i + 1] += in[x * pixel + i] * w;
            }
        }
    UNROLL for (int i = 0; i < P * V; i++)
        *(VEC *)(gradient + i / V * pitch + i % V * LANES) += sum[i];
}

/* Gradient of the weights of convolve, added, in their layout; upstream has the distance of pitch, too. */
static inline __attribute__((always_inline)) void NAME(convolve_weights_any)(
    const int V, const float *in, long row, long pixel, long window, const float *upstream, long up_row,
    float *gradient, long pitch, long rows, long columns)
{
    const int P = V == 2 ? 6 : 8;
    for (long y = 0; y < window; y++, in += row) {
        long k = 0;
        for (; k + P <= window * pixel; k += P, gradient += P * pitch)
            NAME(convolve_weights_strip)(P, V, in + k, row, pixel, upstream, up_row, gradient, pitch, rows, columns);
        for (; k < window * pixel; k++, gradient += pitch)
            NAME(convolve_weights_strip)(1, V, in + k, row, pixel, upstream, up_row, gradient, pitch, rows, columns);
    }
}

static void NAME(convolve_weights)(const float *in, long row, long pixel, long window, const float *upstream,
                                   long up_row, float *gradient, long pitch, long rows, long columns)
{
    NAME(convolve_weights_any)(1, in, row, pixel, window, upstream, up_row, gradient, pitch, rows, columns);
}

#if LANES == WIDEST
static void NAME(convolve_weights_pair)(const float *in, long row, long pixel, long window, const float *upstream,
                                        long up_row, float *gradient, long pitch, long rows, long columns)
{
    NAME(convolve_weights_any)(2, in, row, pixel, window, upstream, up_row, gradient, pitch, rows, columns);
}
#endif

static void NAME(copy)(const float *from, long pixels, long from_pitch, float *to, long to_pitch)
{
    for (long p = 0; p < pixels; p++)
        *(VEC *)(to + p * to_pitch) = AT(from + p * from_pitch);
}

/* Mean and sum of squared deviations over pixels, in two passes over data in the cache. */
static void NAME(moments)(const float *u, long pixels, long channels, float *mean, float *deviation)
{
    /* Four sums: an addition need not wait for the previous one. */
    VEC sum[4] = {{0}}, squares[4] = {{0}};
    long p = 0;
    for (; p + 4 <= pixels; p += 4)
        UNROLL for (int i = 0; i < 4; i++)
            sum[i] += AT(u + (p + i) * channels);
    for (; p < pixels; p++)
        sum[0] += AT(u + p * channels);
    VEC centre = (sum[0] + sum[1] + sum[2] + sum[3]) / (float)pixels;
    for (p = 0; p + 4 <= pixels; p += 4)
        UNROLL for (int i = 0; i < 4; i++) {
            VEC d = AT(u + (p + i) * channels) - centre;
            squares[i] += d * d;
        }
    for (; p < pixels; p++) {
        VEC d = AT(u + p * channels) - centre;
        squares[0] += d * d;
    }
    *(VEC *)mean = centre;
    *(VEC *)deviation = squares[0] + squares[1] + squares[2] + squares[3];
}

/* out = a * upstream + b * u + d; out has pixels at a distance of its own. */
static void NAME(affine)(const float *upstream, const float *u, long pixels, long channels, const float *a,
                         const float *b, const float *d, float *out, long out_pitch)
{
    VEC x = AT(a), y = AT(b), z = AT(d);
    for (long p = 0; p < pixels; p++)
        *(VEC *)(out + p * out_pitch) = x * AT(upstream + p * channels) + y * AT(u + p * channels) + z;
}

/* out (+)= shift + sum over terms of scale * map. */
static void NAME(combine)(int terms, const float *const *map, long first, long pixels, long channels,
                          const float *scale, const float *shift, const float *before, float *out, int add)
{
    for (long p = 0; p < pixels; p++) {
        long at = first + p * channels;
        VEC sum = shift ? AT(shift) : (VEC){0};
        if (add)
            sum += AT(out + at);
        for (int t = 0; t < terms; t++) {
            sum += AT(scale + t * channels) * AT(map[t] + at);
            __builtin_prefetch(map[t] + at + PIXELS_AHEAD * channels);
        }
        if (before)
            sum += AT(before + at);
        *(VEC *)(out + at) = sum;
    }
}

/* Sums over pixels of the upstream gradient, and of it times scale * map + shift; next: a map that is read afterwards. */
static void NAME(sums)(const float *map, const float *next, const float *upstream, long pixels, long channels, const float *scale,
                       const float *shift, double *plain, double *product)
{
    /* Four sums: an addition need not wait for the previous one. */
    VEC s = AT(scale), t = AT(shift), one[4] = {{0}}, two[4] = {{0}};
    long p = 0;
    for (; p + 4 <= pixels; p += 4)
        UNROLL for (int i = 0; i < 4; i++) {
            VEC d = AT(upstream + (p + i) * channels);
            one[i] += d;
            two[i] += d * (AT(map + (p + i) * channels) * s + t);
            __builtin_prefetch(next + (p + i) * channels);
        }
    for (; p < pixels; p++) {
        VEC d = AT(upstream + p * channels);
        one[0] += d;
        two[0] += d * (AT(map + p * channels) * s + t);
    }
    VEC all = one[0] + one[1] + one[2] + one[3], products = two[0] + two[1] + two[2] + two[3];
    for (int i = 0; i < LANES; i++) {
        plain[i] += all[i];
        product[i] += products[i];
    }
}

#include "pools_lanes.h"
#include "winograd_lanes.h"

#undef AT
