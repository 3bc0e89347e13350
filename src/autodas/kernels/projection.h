/*
 * Projection of a map to another width and size, in one call: the ReLU, a pointwise convolution whose outputs come from
 * several parts of its weights, each beginning one pixel further, and normalisation.
 */

/* Sizes of the outputs of a projection, whose parts lie side by side. */
typedef struct {
    long pixels, width;
    int offset[2];
} Projected;

static Projected projected(int images, int rows, int columns, int stride, int parts, int width)
{
    long out_rows = (rows + stride - 1) / stride, out_columns = (columns + stride - 1) / stride;
    return (Projected){images * out_rows * out_columns, (long)parts * width, {0, 1}};
}

static const int alone = 1, first_row = 0;

/*
 * out and its normalised values, for one or two parts. clips: groups of images of which the moments are taken first.
 * constant, mean, variance, momentum, running_mean, running_variance, scale: as in autodas_state_forward.
 */
int autodas_projection_forward(const float *x, int clips, int images, int rows, int columns, int inputs, int stride,
                               int parts, const float *const *weights, int width, int constant, float *out,
                               float *mean, float *variance, float momentum, float *const *running_mean,
                               float *const *running_variance, float *scale, float *normalised)
{
    const Projected p = projected(images, rows, columns, stride, parts, width);
    float *part[2] = {out, out + width};
    const float *map = out;
    int failed = autodas_pointwise_forward(x, images, rows, columns, inputs, parts, stride, p.offset, weights, width,
                                           part, p.width);
    if (!constant && !failed)
        failed = autodas_moments(out, 1, clips, p.pixels / clips, p.width, mean, variance);
    if (failed)
        return failed;
    if (!constant && momentum >= 0)
        autodas_follow(1, &first_row, mean, variance, p.width, momentum, unbiased(p.pixels), running_mean,
                       running_variance);
    return autodas_mix_forward(1, &alone, &map, &first_row, NULL, NULL, 1, mean, variance, NULL, p.pixels, p.width,
                               scale, &normalised);
}

/*
 * Gradients of autodas_projection_forward: of x, and of the weights, (parts, width, inputs), or null. slopes: memory for
 * three rows.
 */
int autodas_projection_backward(const float *x, int images, int rows, int columns, int inputs, int stride, int parts,
                                const float *const *weights, int width, int constant, const float *out,
                                const float *mean, const float *scale, const float *upstream, float *slopes,
                                float *gradient, float *weight_gradient)
{
    const Projected p = projected(images, rows, columns, stride, parts, width);
    float *a = slopes, *b = a + p.width, *d = b + p.width;
    int failed = autodas_mix_backward(1, &alone, &out, &first_row, NULL, &first_row, &upstream, NULL, mean, scale,
                                      constant, p.pixels, p.width, a, b, d, NULL, 0);
    const float *part[2] = {out, out + width}, *into[2] = {upstream, upstream + width};
    return failed ? failed
                  : autodas_pointwise_backward(x, images, rows, columns, inputs, parts, stride, p.offset, weights, width,
                                               part, p.width, into, a, b, d, 0, gradient, weight_gradient);
}
