/* A step of stochastic gradient descent for the thousands of small tensors of a supernet, in one call. */

static double sum_of_squares(const float *x, long size)
{
    /* Eight sums: an addition need not wait for the previous one. */
    double sum[8] = {0}, total = 0;
    long i = 0;
    for (; i + 8 <= size; i += 8)
        for (int k = 0; k < 8; k++)
            sum[k] += (double)x[i + k] * x[i + k];
    for (; i < size; i++)
        total += (double)x[i] * x[i];
    for (int k = 0; k < 8; k++)
        total += sum[k];
    return total;
}

/*
 * velocity = momentum * velocity + clipped gradient + decay * weight; weight -= rate * velocity, for count tensors of
 * size numbers each. The gradients of all of them together are scaled down to a norm of at most clip, unless that is 0.
 */
int autodas_descend(long count, float *const *weight, const float *const *gradient, float *const *velocity,
                    const long *size, float rate, float momentum, float decay, float clip)
{
    float scale = 1;
    if (clip > 0) {
        double total = 0, *squares = malloc(sizeof(double) * (count > 0 ? count : 1));
        if (!squares)
            return OUT_OF_MEMORY;
#pragma omp parallel for schedule(static)
        for (long n = 0; n < count; n++)
            squares[n] = sum_of_squares(gradient[n], size[n]);
        for (long n = 0; n < count; n++)
            total += squares[n];
        free(squares);
        scale = clip / (sqrt(total) + 1e-6);
        scale = scale > 1 ? 1 : scale; /* what is not a number remains so */
    }
#pragma omp parallel for schedule(static)
    for (long n = 0; n < count; n++)
        for (long i = 0; i < size[n]; i++) {
            float v = momentum * velocity[n][i] + (scale * gradient[n][i] + decay * weight[n][i]);
            velocity[n][i] = v;
            weight[n][i] -= rate * v;
        }
    return 0;
}
