/* The loops of pools, for LANES channels at a time; part of kernels_lanes.h. */

/* Of two vectors the numbers of the first where taken, else of the other. */
#define CHOSEN(taken, values, others) ((__typeof__(values))(((IVEC)(values) & (taken)) | ((IVEC)(others) & ~(taken))))

/* The position of each pixel of the window around an output that is inside the clip. */
#define FOR_WINDOW(place)                                                                                   \
    for (long f = frame - reach / 2 < 0 ? 0 : frame - reach / 2; f <= frame + reach / 2 && f < frames; f++) \
        for (int r = top < 0 ? 0 : top; r <= top + 2 && r < rows; r++)                                      \
            for (long q = left < 0 ? 0 : left, place = ((f * rows + r) * columns + q) * channels;           \
                 q <= left + 2 && q < columns; q++, place += channels)

/* 3x3 pools of reach frames around one of a clip; pixels outside are ignored. Either output may be null. */
static void NAME(pools)(const float *x, long frame, int frames, int reach, int rows, int columns, long channels,
                        int stride, int out_rows, int out_columns, float *most, float *mean)
{
    for (int y = 0; y < out_rows; y++)
        for (int p = 0; p < out_columns; p++) {
            int top = y * stride - 1, left = p * stride - 1, count = 0;
            VEC sum = {0}, best = {0};
            FOR_WINDOW(place)
            {
                VEC v = AT(x + place);
                if (count == 0)
                    best = v;
                IVEC larger = v > best;
                best = CHOSEN(larger, v, best);
                sum += v;
                count++;
            }
            long target = ((long)y * out_columns + p) * channels;
            if (most)
                *(VEC *)(most + target) = best;
            if (mean)
                *(VEC *)(mean + target) = sum / (float)count;
        }
}

/*
 * Their gradient, added to input_gradient. Of equal maxima the first counts. (Inlined it would take half as much time
 * again, for lack of registers.)
 */
static __attribute__((noinline)) void NAME(pools_gradient)(
    const float *x, long frame, int frames, int reach, int rows, int columns, long channels, int stride, int out_rows,
    int out_columns, const float *most, const float *mean, float *input_gradient)
{
    for (int y = 0; y < out_rows; y++)
        for (int p = 0; p < out_columns; p++) {
            int top = y * stride - 1, left = p * stride - 1, count = 0;
            long target = ((long)y * out_columns + p) * channels;
            VEC best = {0};
            IVEC winner = {0};
            FOR_WINDOW(place)
            {
                VEC v = AT(x + place);
                if (count == 0)
                    best = v;
                IVEC larger = v > best;
                best = CHOSEN(larger, v, best);
                winner = CHOSEN(larger, (IVEC){0} + count, winner);
                count++;
            }
            VEC share = {0}, whole = {0};
            if (mean)
                share = AT(mean + target) / (float)count;
            if (most)
                whole = AT(most + target);
            count = 0;
            FOR_WINDOW(place)
            {
                *(VEC *)(input_gradient + place) += share + (VEC)((IVEC)whole & (winner == count));
                count++;
            }
        }
}

#undef FOR_WINDOW

/* The mean pool of pools, without strides, or its gradient: a window's sum is that of the sums of its columns. */
static inline __attribute__((always_inline)) void NAME(mean_any)(const int GRADIENT, const float *x, int rows,
                                                                 int columns, long channels, float *out)
{
    long row = columns * channels;
    for (int y = 0; y < rows; y++) {
        int first = y > 0 ? y - 1 : 0, last = y + 1 < rows ? y + 1 : y;
        float height = part_of_neighbour(y, rows), of_row[3];
        for (int r = first; r <= last; r++)
            of_row[r - first] = GRADIENT ? part_of_neighbour(r, rows) : 1;
        VEC left = {0}, here = {0}, right = {0};
        for (int p = -1; p < columns; p++, left = here, here = right) {
            int next = p + 1;
            right = (VEC){0};
            if (next < columns) {
                const float *column = x + next * channels;
                for (int r = first; r <= last; r++)
                    right += AT(column + r * row) * of_row[r - first];
                if (GRADIENT)
                    right *= part_of_neighbour(next, columns);
            }
            if (p < 0)
                continue;
            VEC *target = (VEC *)(out + y * row + p * channels);
            VEC sum = left + here + right;
            if (GRADIENT)
                *target += sum;
            else
                *target = sum * (height * part_of_neighbour(p, columns));
        }
    }
}

static void NAME(mean)(const float *x, int rows, int columns, long channels, float *out)
{
    NAME(mean_any)(0, x, rows, columns, channels, out);
}

static void NAME(mean_gradient)(const float *upstream, int rows, int columns, long channels, float *gradient)
{
    NAME(mean_any)(1, upstream, rows, columns, channels, gradient);
}

/*
 * Maximum over three rows around one, at one pixel; number: 0, 3 or 6 for the row that it is in, the first one of equals.
 */
static inline __attribute__((always_inline)) VEC NAME(column_most)(const float *x, int y, int rows, long row,
                                                                   IVEC *number)
{
    int first = y > 0 ? y - 1 : 0, last = y + 1 < rows ? y + 1 : y;
    VEC best = AT(x + first * row);
    *number = (IVEC){0} + (first - y + 1) * 3;
    for (int r = first + 1; r <= last; r++) {
        VEC v = AT(x + r * row);
        IVEC larger = v > best;
        best = CHOSEN(larger, v, best);
        *number = CHOSEN(larger, (IVEC){0} + (r - y + 1) * 3, *number);
    }
    return best;
}

/* The maximum pool of pools, without strides: a window's maximum is that of its columns' maxima. */
static void NAME(most)(const float *x, int rows, int columns, long channels, float *out)
{
    long row = columns * channels;
    IVEC number;
    for (int y = 0; y < rows; y++) {
        VEC left = {0}, here = NAME(column_most)(x, y, rows, row, &number), right = here;
        for (int p = 0; p < columns; p++, left = here, here = right) {
            VEC best = here;
            if (p > 0)
                best = CHOSEN(left > best, left, best);
            if (p + 1 < columns) {
                right = NAME(column_most)(x + (p + 1) * channels, y, rows, row, &number);
                best = CHOSEN(right > best, right, best);
            }
            *(VEC *)(out + y * row + p * channels) = best;
        }
    }
}

/*
 * Its gradient, added. The pixels of a window are numbered along its rows; of equal maxima the first counts. What arrives
 * at the three columns of a window is summed while the window moves along them.
 */
static void NAME(most_gradient)(const float *x, int rows, int columns, long channels, const float *upstream,
                                float *gradient)
{
    long row = columns * channels;
    for (int y = 0; y < rows; y++) {
        VEC sum[3][3] = {{{0}}}, value[3] = {{0}};
        IVEC number[3] = {{0}};
        value[2] = NAME(column_most)(x, y, rows, row, &number[2]);
        for (int p = 0; p <= columns; p++) {
            UNROLL for (int i = 0; i < 2; i++) {
                value[i] = value[i + 1];
                number[i] = number[i + 1];
            }
            if (p < columns) {
                VEC best = value[1], up = AT(upstream + y * row + p * channels);
                IVEC winner = number[1] + 1;
                if (p > 0) {
                    IVEC taken = (value[0] > best) | ((value[0] == best) & (number[0] < winner));
                    best = CHOSEN(taken, value[0], best);
                    winner = CHOSEN(taken, number[0], winner);
                }
                if (p + 1 < columns) {
                    value[2] = NAME(column_most)(x + (p + 1) * channels, y, rows, row, &number[2]);
                    IVEC taken = (value[2] > best) | ((value[2] == best) & (number[2] + 2 < winner));
                    winner = CHOSEN(taken, number[2] + 2, winner);
                }
                UNROLL for (int i = 0; i < 9; i++)
                    sum[i / 3][i % 3] += (VEC)((IVEC)up & (winner == i));
            }
            UNROLL for (int i = 0; i < 3; i++) {
                int r = y - 1 + i;
                if (p > 0 && r >= 0 && r < rows) {
                    VEC *target = (VEC *)(gradient + r * row + (p - 1) * channels);
                    *target += sum[i][0];
                }
                sum[i][0] = sum[i][1];
                sum[i][1] = sum[i][2];
                sum[i][2] = (VEC){0};
            }
        }
    }
}

#undef CHOSEN
