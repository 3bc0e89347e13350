/* The steps of a 3x3 convolution by tiles (winograd.h) for LANES channels at a time. */

/* Along one direction: six pixels of the input, as the products read them (B of Lavin and Gray, 2016). */
static inline __attribute__((always_inline)) void NAME(spread_input)(const VEC *d, VEC *out)
{
    VEC a = d[4] - 4 * d[2], b = d[3] - 4 * d[1], e = d[4] - d[2], f = 2 * (d[3] - d[1]);
    out[0] = 4 * d[0] - 4 * d[2] + e;
    out[1] = a + b;
    out[2] = a - b;
    out[3] = e + f;
    out[4] = e - f;
    out[5] = 4 * (d[1] - d[3]) + d[5] - d[3];
}

/* Six products, as four pixels of the output (A). */
static inline __attribute__((always_inline)) void NAME(gather_output)(const VEC *m, VEC *out)
{
    VEC a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];
    out[0] = m[0] + a + c;
    out[1] = b + 2 * d;
    out[2] = a + 4 * c;
    out[3] = b + 8 * d + m[5];
}

/* Its gradient: that of four pixels, as that of six products. */
static inline __attribute__((always_inline)) void NAME(spread_gradient)(const VEC *y, VEC *out)
{
    VEC a = y[0] + y[2], b = y[1] + y[3], c = y[0] + 4 * y[2], d = 2 * y[1] + 8 * y[3];
    out[0] = y[0];
    out[1] = a + b;
    out[2] = a - b;
    out[3] = c + d;
    out[4] = c - d;
    out[5] = y[3];
}

/* Three weights as the factors of six products (G). */
static inline __attribute__((always_inline)) void NAME(spread_weights)(const VEC *g, VEC *out)
{
    VEC ends = (g[0] + g[2]) * (-1 / 6.f), middle = g[1] * (1 / 6.f), far = g[0] * (1 / 24.f) + g[2] * (1 / 6.f);
    out[0] = g[0] * 0.25f;
    out[1] = ends - middle;
    out[2] = ends + middle;
    out[3] = far + middle * 0.5f;
    out[4] = far - middle * 0.5f;
    out[5] = g[2];
}

/* Its gradient: that of six factors, as that of three weights. */
static inline __attribute__((always_inline)) void NAME(gather_weights)(const VEC *f, VEC *out)
{
    VEC near = (f[1] + f[2]) * (1 / 6.f), far = f[3] + f[4];
    out[0] = f[0] * 0.25f - near + far * (1 / 24.f);
    out[1] = (f[2] - f[1]) * (1 / 6.f) + (f[3] - f[4]) * (1 / 12.f);
    out[2] = far * (1 / 6.f) - near + f[5];
}

/* N x N numbers at a distance of size, as M x M of them: f in both directions. */
#define BOTH_WAYS(N, M, f)                                     \
    VEC half[N][M];                                            \
    UNROLL for (int y = 0; y < N; y++) {                       \
        VEC line[N];                                           \
        UNROLL for (int x = 0; x < N; x++)                     \
            line[x] = AT(in + (y * N + x) * size);             \
        f(line, half[y]);                                      \
    }                                                          \
    UNROLL for (int x = 0; x < M; x++) {                       \
        VEC line[N], column[M];                                \
        UNROLL for (int y = 0; y < N; y++)                     \
            line[y] = half[y][x];                              \
        f(line, column);                                       \
        UNROLL for (int y = 0; y < M; y++)                     \
            *(VEC *)(out + (y * M + x) * size) = column[y];    \
    }

/* Weights (3 x 3, size) as filters (6 x 6, size). */
static void NAME(filters_of)(const float *in, long size, float *out)
{
    BOTH_WAYS(3, 6, NAME(spread_weights))
}

/* The gradient of filters_of. */
static void NAME(filters_gradient)(const float *in, long size, float *out)
{
    BOTH_WAYS(6, 3, NAME(gather_weights))
}

#undef BOTH_WAYS

/* For tile t from first on: the position of its first pixel in maps of a pitch between images, rows and pixels. */
#define FOR_TILES(place, image_pitch, row, pixel)                                                                  \
    for (long t = 0, place; t < count                                                                              \
         && (place = (first + t) / tiles->each * (image_pitch) + (first + t) % tiles->each / tiles->across * 4 * (row) \
                     + (first + t) % tiles->across * 4 * (pixel), 1);                                              \
         t++)

/* N x N pixels of each tile, spread in both directions: (36, tiles, pixel). */
#define SPREAD(N, f)                                           \
    FOR_TILES(place, image_pitch, row, pixel)                  \
    {                                                          \
        VEC half[N][6];                                        \
        UNROLL for (int y = 0; y < N; y++) {                   \
            VEC line[N];                                       \
            UNROLL for (int x = 0; x < N; x++)                 \
                line[x] = AT(in + place + y * row + x * pixel); \
            f(line, half[y]);                                  \
        }                                                      \
        UNROLL for (int x = 0; x < 6; x++) {                   \
            VEC line[N], spread[6];                            \
            UNROLL for (int y = 0; y < N; y++)                 \
                line[y] = half[y][x];                          \
            f(line, spread);                                   \
            UNROLL for (int y = 0; y < 6; y++)                 \
                *(VEC *)(out + ((y * 6 + x) * count + t) * pixel) = spread[y]; \
        }                                                      \
    }

static void NAME(spread_inputs)(const Tiles *tiles, long first, long count, const float *in, long image_pitch,
                                long row, long pixel, float *out)
{
    SPREAD(6, NAME(spread_input))
}

static void NAME(spread_gradients)(const Tiles *tiles, long first, long count, const float *in, long image_pitch,
                                   long row, long pixel, float *out)
{
    SPREAD(4, NAME(spread_gradient))
}

#undef SPREAD

/*
 * V vectors of the outputs of some tiles: spread (36, tiles, inputs) times filters (36, inputs, pitch), gathered to
 * out, whose pixels have the distance of pitch.
 */
static inline __attribute__((always_inline)) void NAME(convolve_tiles_any)(
    const int V, const Tiles *tiles, long first, long count, const float *spread, long inputs, const float *filters,
    long pitch, float *products, float *out)
{
    const int P = WIDEST >= 16 ? 8 : 4;
    for (long k = 0; k < 36; k++, filters += inputs * pitch) {
        float *target = products + k * count * V * LANES;
        for (long t = 0; t < count;) {
            const float *from = spread + (k * count + t) * inputs;
            float *to = target + t * V * LANES;
#define ROWS(P)                                                                              \
    if (count - t >= P) {                                                                    \
        NAME(rows_product)(P, V, 0, from, inputs, 1, inputs, filters, pitch, to, V * LANES); \
        t += P;                                                                              \
        continue;                                                                            \
    }
            ROWS(P)
            ROWS(2)
            ROWS(1)
#undef ROWS
        }
    }
    long row = tiles->columns * pitch, image_pitch = tiles->rows * row;
    FOR_TILES(place, image_pitch, row, pitch)
    for (int v = 0; v < V; v++) {
        VEC half[6][4];
        UNROLL for (int y = 0; y < 6; y++) {
            VEC line[6];
            UNROLL for (int x = 0; x < 6; x++)
                line[x] = AT(products + (((y * 6 + x) * count + t) * V + v) * LANES);
            NAME(gather_output)(line, half[y]);
        }
        UNROLL for (int x = 0; x < 4; x++) {
            VEC line[6], pixels[4];
            UNROLL for (int y = 0; y < 6; y++)
                line[y] = half[y][x];
            NAME(gather_output)(line, pixels);
            UNROLL for (int y = 0; y < 4; y++)
                *(VEC *)(out + place + y * row + x * pitch + v * LANES) = pixels[y];
        }
    }
}

static void NAME(convolve_tiles)(const Tiles *tiles, long first, long count, const float *spread, long inputs,
                                 const float *filters, long pitch, float *products, float *out)
{
    NAME(convolve_tiles_any)(1, tiles, first, count, spread, inputs, filters, pitch, products, out);
}

#if LANES == WIDEST
static void NAME(convolve_tiles_pair)(const Tiles *tiles, long first, long count, const float *spread, long inputs,
                                      const float *filters, long pitch, float *products, float *out)
{
    NAME(convolve_tiles_any)(2, tiles, first, count, spread, inputs, filters, pitch, products, out);
}
#endif

/* Add the gradients of filters (36, inputs, pitch): the products of spread inputs and gradients, summed over tiles. */
static inline __attribute__((always_inline)) void NAME(filter_gradients_any)(
    const int V, long count, const float *spread, long inputs, const float *gradients, long pitch, float *filters)
{
    const int P = WIDEST >= 16 ? 8 : 4;
    for (long k = 0; k < 36; k++, spread += count * inputs, gradients += count * pitch)
        for (long i = 0; i < inputs;) {
#define ROWS(P)                                                                                      \
    if (inputs - i >= P) {                                                                           \
        NAME(rows_product)(P, V, 1, spread + i, 1, inputs, count, gradients, pitch, filters, pitch); \
        i += P;                                                                                      \
        filters += P * pitch;                                                                        \
        continue;                                                                                    \
    }
            ROWS(P)
            ROWS(2)
#undef ROWS
        }
}

static void NAME(filter_gradients)(long count, const float *spread, long inputs, const float *gradients, long pitch,
                                   float *filters)
{
    NAME(filter_gradients_any)(1, count, spread, inputs, gradients, pitch, filters);
}

#if LANES == WIDEST
static void NAME(filter_gradients_pair)(long count, const float *spread, long inputs, const float *gradients,
                                        long pitch, float *filters)
{
    NAME(filter_gradients_any)(2, count, spread, inputs, gradients, pitch, filters);
}
#endif
#undef FOR_TILES
