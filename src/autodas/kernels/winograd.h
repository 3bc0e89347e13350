/*
 * Dense 3x3 convolutions by tiles of 4x4 outputs, F(4x4, 3x3) of Winograd's algorithm (Lavin and Gray, 2016): 36
 * products for 16 outputs, instead of 144. Its sums and differences round about ten times as much as a direct sum.
 */

#define TILES_AT_ONCE 16 /* for each step: as many as make reading the filters pay, and fit in the cache */

/* Images of one batch that are processed together: several, if they are small. */
static long images_together(const Tiles *tiles, long images)
{
    long together = tiles->each >= TILES_AT_ONCE ? 1 : TILES_AT_ONCE / tiles->each;
    return together < images ? together : images;
}

static Tiles tiles_of(long rows, long columns)
{
    return (Tiles){.rows = rows, .columns = columns, .across = columns / 4, .each = rows / 4 * (columns / 4)};
}

/* Whether there is a form by tiles that pays. */
static int has_tiles(int rows, int columns, int window, long inputs, long outputs)
{
    return window == 3 && rows % 4 == 0 && columns % 4 == 0 && inputs >= 8 && outputs >= 8;
}

/* For parts of the tiles of some images: from the tile first on, so many as count. */
#define FOR_PARTS(first, count, tiles, images)                                                             \
    for (long all = (images) * (tiles)->each, parts = (all + TILES_AT_ONCE - 1) / TILES_AT_ONCE, part = 0, \
              first = 0, count = all / parts;                                                              \
         part < parts; part++, first = part * all / parts, count = (part + 1) * all / parts - first)

/* Floats of working memory for winograd_convolve. */
static long winograd_size(long inputs)
{
    return 36 * TILES_AT_ONCE * (inputs + 2 * WIDEST);
}

/* Spread some tiles of images (see winograd_convolve) in all their channels. */
static void spread_images(const Tiles *tiles, long first, long count, const float *padded, const Shape *s, float *spread)
{
    long channels = s->channels;
    FOR_CHANNEL_BLOCKS(spread_inputs, tiles, first, count, padded + c, s->padded, s->row, channels, spread + c)
}

/*
 * Convolve images: out (images, rows, columns, outputs). padded: each image with zero borders, in the pitches of a
 * Shape with as many channels as inputs. filters: (36, inputs, outputs).
 */
static void winograd_convolve(const Tiles *tiles, long images, const float *padded, const Shape *s, const float *filters,
                              long outputs, float *memory, float *out)
{
    long inputs = s->channels;
    float *products = memory + 36 * TILES_AT_ONCE * inputs;
    FOR_PARTS(first, count, tiles, images)
    {
        spread_images(tiles, first, count, padded, s, memory);
        long channels = outputs;
        FOR_CHANNEL_PAIRS(convolve_tiles, tiles, first, count, memory, inputs, filters + c, outputs, products, out + c)
    }
}

/*
 * Add the gradients of filters (36, inputs, outputs). padded: as in winograd_convolve; gradient: that of the outputs,
 * its first pixel, in the pitches of a Shape with as many channels as outputs.
 */
static void winograd_weights(const Tiles *tiles, long images, const float *padded, const Shape *s, const float *gradient,
                             const Shape *t, float *memory, float *filters)
{
    long inputs = s->channels, outputs = t->channels;
    float *spread = memory + 36 * TILES_AT_ONCE * inputs;
    FOR_PARTS(first, count, tiles, images)
    {
        spread_images(tiles, first, count, padded, s, memory);
        long channels = outputs;
        FOR_CHANNEL_BLOCKS(spread_gradients, tiles, first, count, gradient + c, t->padded, t->row, outputs, spread + c)
        FOR_CHANNEL_PAIRS(filter_gradients, count, memory, inputs, spread + c, outputs, filters + c)
    }
}
