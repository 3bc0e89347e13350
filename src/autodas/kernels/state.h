/*
 * All candidates that read one state of a relaxed cell, in one call: on small maps a call for each of their kernels takes
 * longer than the kernels. The steps are those of autodas.supernet.fused._steps.
 *
 * Maps, one after the other: the outputs of the first units (inner ones, which second units read, then the others), of
 * the second units, of strided pointwise convolutions in two parts, of dense convolutions by window; then those of pools.
 * Slots of slopes have the same order, with one for each edge of a pool, and finally those of identities.
 */

/* Units that are computed together: see autodas_units_forward. */
typedef struct {
    long count;
    const int *kernel, *area, *dilation, *reach;
} Units;

/* The candidates; mirrored by autodas.kernels._state. */
typedef struct {
    long clips, frames, rows, columns, channels; /* of the state */
    long stride, step;                           /* in space, and in time */
    Units first, second;
    long reductions;                             /* pointwise convolutions with a stride */
    const int *offsets;                          /* of their parts */
    long windows;                                /* of dense convolutions: */
    const int *window, *convolutions;            /* the side of each, and how many have it */
    long pools, reaches;                         /* pools, and their windows in time: */
    const int *reach, *most, *mean;              /* each, and the number of its pools; -1 if there is none */
    const int *pool_edges;                       /* edges of each pool */
    long pools_normalised, identities;
    const int *places;                           /* edge of each slot after the inner ones */
    long slots, edges, terms;                    /* the sums, and all their terms: */
    const int *counts, *index, *factor, *slot;   /* terms of each edge; see autodas_mix_forward */
    const int *batch_row, *running_row;          /* row of each term in the moments */
    long moment_rows, norms;
    const int *norm_row;                         /* row of each normalisation layer in those of a batch */
    const int *ones, *numbers;                   /* 1, 1, ... and 0, 1, ... */
} State;

/* Sizes of the maps that leave a state. */
typedef struct {
    long frames, rows, columns, pixels, map, kept;
} Leaving;

static Leaving leaving(const State *s)
{
    Leaving l = {
        .frames = (s->frames + s->step - 1) / s->step,
        .rows = (s->rows + s->stride - 1) / s->stride,
        .columns = (s->columns + s->stride - 1) / s->stride,
        .kept = s->first.count + s->second.count + s->reductions + sum_of(s->convolutions, s->windows),
    };
    l.pixels = s->clips * l.frames * l.rows * l.columns;
    l.map = l.pixels * s->channels;
    return l;
}

/* The map of each term: among those of convolutions, of pools, or the state itself. */
static void maps_of_terms(const State *s, const Leaving *l, const float *x, const float *maps, const float *pooled,
                          const float **found)
{
    for (long t = 0; t < s->terms; t++)
        found[t] = s->index[t] < 0 ? x
            : s->index[t] < l->kept ? maps + s->index[t] * l->map : pooled + (s->index[t] - l->kept) * l->map;
}

/* Arguments of the units' kernels: frames are images where nothing connects them. */
#define UNITS(u, in, clips, frames, rows, columns, shared, stride, step, weights)                                   \
    in, (step) == 1 && !sum_of((u).reach, (u).count) ? (clips) * (frames) : (clips),                                \
        (step) == 1 && !sum_of((u).reach, (u).count) ? 1 : (frames), rows, columns, s->channels, (u).count, shared, \
        (u).kernel, (u).area, (u).dilation, (u).reach, stride, step, weights, (weights) + (u).count,                \
        (weights) + 2 * (u).count
#define FIRST UNITS(s->first, x, s->clips, s->frames, s->rows, s->columns, 1, s->stride, s->step, weights)
#define SECOND UNITS(s->second, maps, s->clips, l.frames, l.rows, l.columns, 0, 1, 1, weights + 3 * s->first.count)

static int state_pools(const State *s, const Leaving *l, const float *x, float *pooled)
{
    int failed = 0;
    for (long i = 0; i < s->reaches && !failed; i++)
        failed = autodas_pools_forward(x, s->clips, s->frames, s->rows, s->columns, s->channels, s->reach[i], s->step,
                                       s->stride, s->most[i] < 0 ? NULL : pooled + s->most[i] * l->map,
                                       s->mean[i] < 0 ? NULL : pooled + s->mean[i] * l->map);
    return failed;
}

/*
 * out[e] = sum of the contributions to edge e, plus before[e] unless it is null.
 *
 * weights: of the units, the first ones and then the second ones: depthwise, pointwise, temporal, one for each of them
 * (not read for those without one); of the strided convolutions, all first parts and then the second ones; of the dense
 * ones. maps, pooled: memory for the maps. constant: mean and variance are given, one row for each layer; otherwise they
 * are those of the batch, written, and the running ones follow them unless momentum is negative. factor, summand: of the
 * normalisation between units, written, and so is scale, as in autodas_mix_forward.
 */
int autodas_state_forward(const State *s, int constant, const float *x, const float *mixing,
                          const float *const *weights, const float *const *before, float *maps, float *pooled,
                          float *mean, float *variance, float momentum, float *const *running_mean,
                          float *const *running_variance, float *factor, float *summand, float *scale,
                          float *const *out)
{
    const Leaving l = leaving(s);
    long channels = s->channels, done = s->first.count, inner = s->second.count;
#define MEAN(row) (constant ? NULL : mean + (row) * channels)
#define VARIANCE(row) (constant ? NULL : variance + (row) * channels)
    int failed = 0;
    if (s->first.count)
        failed = autodas_units_forward(FIRST, NULL, NULL, maps, MEAN(0), VARIANCE(0));
    if (inner && !failed) {
        inverse_deviation(variance, inner * channels, factor);
        for (long i = 0; i < inner * channels; i++)
            summand[i] = -mean[i] * factor[i];
        failed = autodas_units_forward(SECOND, factor, summand, maps + done * l.map, MEAN(done), VARIANCE(done));
    }
    done += inner;
    const float *const *rest = weights + 3 * done;
    if (s->reductions && !failed) {
        float *parts[2 * s->reductions], *reduced = maps + done * l.map;
        for (long i = 0; i < 2 * s->reductions; i++)
            parts[i] = reduced + i % s->reductions * l.map + i / s->reductions * (channels / 2);
        failed = autodas_pointwise_forward(x, s->clips * s->frames, s->rows, s->columns, channels, 2 * s->reductions,
                                           s->stride, s->offsets, rest, channels / 2, parts, channels);
        if (!constant && !failed)
            failed = autodas_moments(reduced, s->reductions, s->clips, l.pixels / s->clips, channels, MEAN(done),
                                     VARIANCE(done));
        done += s->reductions;
        rest += 2 * s->reductions;
    }
    for (long i = 0; i < s->windows && !failed; i++) {
        failed = autodas_dense_forward(x, s->clips * s->frames, s->rows, s->columns, channels, s->convolutions[i],
                                       s->window[i], rest, channels, maps + done * l.map, MEAN(done), VARIANCE(done));
        done += s->convolutions[i];
        rest += s->convolutions[i];
    }
    if (!failed)
        failed = state_pools(s, &l, x, pooled);
    if (s->pools_normalised && !constant && !failed)
        failed = autodas_moments(pooled, s->pools, s->clips, l.pixels / s->clips, channels, MEAN(done), VARIANCE(done));
    if (failed)
        return failed;
    if (!constant && momentum >= 0)
        autodas_follow(s->norms, s->norm_row, mean, variance, channels, momentum, unbiased(l.pixels), running_mean,
                       running_variance);
    const float *map[s->terms];
    maps_of_terms(s, &l, x, maps, pooled, map);
    return autodas_mix_forward(s->edges, s->counts, map, constant ? s->running_row : s->batch_row, s->factor, mixing,
                               constant ? s->norms : s->moment_rows, mean, variance, before, l.pixels, channels, scale,
                               out);
#undef MEAN
#undef VARIANCE
}

/* Sizes of the gradients of the weights of units. */
static long units_weights(const Units *u, long channels)
{
    return (sum_of(u->area, u->count) + sum_of(u->reach, u->count) + u->count * channels) * channels;
}

/*
 * Gradients of autodas_state_forward: of the state, of the mixing weights (as many as places), and of the weights, or
 * null. Those of the weights have the order and the layout of the kernels, without gaps.
 *
 * pools_again: whether the maps of pools were not kept, and have to be computed again. slopes: memory for (3, slots,
 * channels); inner: for the gradients of the inner maps; arriving: for those of pools.
 */
int autodas_state_backward(const State *s, int constant, const float *x, const float *mixing, long places,
                           const float *const *weights, const float *maps, float *pooled, int pools_again,
                           const float *mean, const float *factor, const float *summand, const float *scale,
                           const float *const *upstream, float *slopes, float *inner, float *arriving,
                           float *gradient, float *mixing_gradient, float *weight_gradient)
{
    const Leaving l = leaving(s);
    long channels = s->channels, inners = s->second.count, slot = s->first.count, images = s->clips * s->frames;
    float *a = slopes, *b = a + s->slots * channels, *d = b + s->slots * channels;
    const float *map[s->terms], *arrived[s->slots];
    for (long i = 0; i < s->slots; i++)
        arrived[i] = i < inners ? inner + i * l.map : upstream[s->places[i - inners]];
    int failed = pools_again ? state_pools(s, &l, x, pooled) : 0;
    maps_of_terms(s, &l, x, maps, pooled, map);
    if (!failed)
        failed = autodas_mix_backward(s->edges, s->counts, map, constant ? s->running_row : s->batch_row, s->factor,
                                      s->slot, upstream, mixing, mean, scale, constant, l.pixels, channels, a, b, d,
                                      mixing_gradient, places);
#define SLOPES(slot) arrived + (slot), a + (slot) * channels, b + (slot) * channels, d + (slot) * channels
    float *own = weight_gradient;
    if (inners && !failed) {
        float *to = own ? own + units_weights(&s->first, channels) : NULL;
        failed = autodas_units_backward(SECOND, factor, summand, maps + slot * l.map, SLOPES(slot), inner, to);
        const float *inner_maps[inners];
        for (long i = 0; i < inners; i++)
            inner_maps[i] = maps + i * l.map;
        if (!failed)
            failed = autodas_mix_backward(inners, s->ones, inner_maps, s->numbers, NULL, s->numbers, arrived, NULL,
                                          mean, scale, constant, l.pixels, channels, a, b, d, NULL, 0);
    }
    if (s->first.count && !failed)
        failed = autodas_units_backward(FIRST, NULL, NULL, maps, SLOPES(0), gradient, own);
    int written = s->first.count > 0;
    slot += inners;
    if (own)
        own += units_weights(&s->first, channels) + units_weights(&s->second, channels);
    const float *const *rest = weights + 3 * slot;
    if (s->reductions && !failed) {
        long n = s->reductions, half = channels / 2;
        const float *out[2 * n], *into[2 * n];
        float parts[3 * n * channels];
        for (long part = 0; part < 2; part++)
            for (long i = 0; i < n; i++) {
                long to = part * n + i, from = (slot + i) * channels + part * half;
                out[to] = maps + (slot + i) * l.map + part * half;
                into[to] = arrived[slot + i] + part * half;
                for (int k = 0; k < 3; k++)
                    memcpy(parts + k * n * channels + to * half, slopes + k * s->slots * channels + from,
                           sizeof(float) * half);
            }
        failed = autodas_pointwise_backward(x, images, s->rows, s->columns, channels, 2 * n, s->stride, s->offsets,
                                            rest, half, out, channels, into, parts, parts + n * channels,
                                            parts + 2 * n * channels, written, gradient, own);
        written = 1;
        slot += n;
        rest += 2 * n;
        own = own ? own + n * channels * channels : NULL;
    }
    for (long i = 0; i < s->windows && !failed; i++) {
        long n = s->convolutions[i], area = s->window[i] * s->window[i];
        failed = autodas_dense_backward(x, images, s->rows, s->columns, channels, n, s->window[i], rest, channels,
                                        maps + slot * l.map, SLOPES(slot), written, gradient, own);
        written = 1;
        slot += n;
        rest += n;
        own = own ? own + n * area * channels * channels : NULL;
    }
    if (!written && !failed)
        memset(gradient, 0, sizeof(float) * images * s->rows * s->columns * channels);
    for (long i = 0; i < s->pools && !failed; i++) {
        /* The gradients of all edges are summed before they pass through the pool. */
        int n = s->pool_edges[i], terms = n + (s->pools_normalised ? 1 : 0);
        const float *into[terms];
        float factors[terms * channels], shift[channels], *to = arriving + i * l.map;
        memcpy(into, arrived + slot, sizeof(float *) * n);
        memcpy(factors, a + slot * channels, sizeof(float) * n * channels);
        memset(shift, 0, sizeof shift);
        if (s->pools_normalised) {
            into[n] = pooled + i * l.map;
            memset(factors + n * channels, 0, sizeof(float) * channels);
            for (long e = slot; e < slot + n; e++)
                for (long c = 0; c < channels; c++) {
                    factors[n * channels + c] += b[e * channels + c];
                    shift[c] += d[e * channels + c];
                }
        }
        failed = autodas_combine(&to, 1, &terms, into, factors, shift, NULL, l.pixels, channels, 0);
        slot += n;
    }
    for (long i = 0; i < s->reaches && !failed; i++)
        failed = autodas_pools_backward(x, s->clips, s->frames, s->rows, s->columns, channels, s->reach[i], s->step,
                                        s->stride, s->most[i] < 0 ? NULL : arriving + s->most[i] * l.map,
                                        s->mean[i] < 0 ? NULL : arriving + s->mean[i] * l.map, gradient);
    int identities = s->identities;
    if (identities && !failed)
        failed = autodas_combine(&gradient, 1, &identities, arrived + slot, a + slot * channels, NULL, NULL, l.pixels,
                                 channels, 1);
    return failed;
#undef SLOPES
}

#undef UNITS
#undef FIRST
#undef SECOND
