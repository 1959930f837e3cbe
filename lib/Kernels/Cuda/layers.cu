// What an encoder layer does besides matrix products, on a CUDA device: the same formulas, dropout masks and layouts as the C# kernels beside this file.
// Compiled by NVRTC when a network first runs on a device, for the card that is there; compiled by g++ in the tests, where each block runs as fibers on the CPU.
//
// N rows (real pieces), C columns = heads · D, l pieces of a sentence, U relative rows. A pass may hold several groups (micro-batches): each draws its own dropout,
// as if it were alone, and has its own relative rows.

typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned long long u64;
typedef long long i64;

#ifdef __CUDACC__
__device__ inline float half_to_float(u16 h) { float f; asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h)); return f; }
__device__ inline u16 float_to_half(float f) { u16 h; asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f)); return h; }
#endif

struct bfloat16 { u16 bits; };
struct float16 { u16 bits; };

__device__ inline float widen(float x) { return x; }
__device__ inline float widen(bfloat16 x) { return __uint_as_float((u32)x.bits << 16); }
__device__ inline float widen(float16 x) { return half_to_float(x.bits); }
template <typename T> __device__ inline T narrow(float x);
template <> __device__ inline float narrow<float>(float x) { return x; }
template <> __device__ inline float16 narrow<float16>(float x) { float16 r; r.bits = float_to_half(x); return r; }
template <> __device__ inline bfloat16 narrow<bfloat16>(float x)
{
    // Round to nearest, ties to even; what is not a number stays so.
    u32 u = __float_as_uint(x);
    bfloat16 r;
    r.bits = (u & 0x7fffffffu) > 0x7f800000u ? (u16)((u >> 16) | 0x40u) : (u16)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
    return r;
}

// ---- the pass ----

struct Group { int firstRow, firstRelative, longest, firstDistance, firstSentence, sentences, relatives, unused; i64 scores, firstScore; };
struct Sentence { int row, length, padded, group; i64 score; };
struct Tile { int sentence, first; };

struct Pass
{
    const Group* groups;
    const Sentence* sentences;
    const Tile* tiles;
    const int* groupOfRow;
    const int* groupOfRelative;
    const int* relativeOfDistance;      // of a group's distance d: at firstDistance + d + longest - 1, counted over all groups' relative rows
    const int* firstDistanceOfRelative; // of a relative row: the lowest distance that takes it
    const int* distancesOfRelative;     // … and how many do
    u64 seed, firstStream, streamStep;
};

// Lib/Kernels/CounterRandom.cs, DropoutStream.
struct Drop { u64 stream; u32 threshold; float scale; };
struct Mask { u32 key, second, threshold; float scale; };

__device__ inline Mask mask_of(const Pass& pass, const Drop& drop, int group)
{
    u64 position = pass.firstStream + pass.streamStep * (u64)group + drop.stream;
    u64 z = pass.seed + (position + 1) * 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    z ^= z >> 31;
    Mask m = { (u32)z, (u32)(z >> 32), drop.threshold, drop.scale };
    return m;
}

__device__ inline float factor(const Mask& m, i64 index)
{
    u32 x = (u32)index ^ m.key;
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= (x >> 15) ^ m.second;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return x >= m.threshold ? m.scale : 0.0f;
}

__device__ inline float warp_sum(float x)
{
    for (int step = 16; step > 0; step >>= 1) x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}

__device__ inline float warp_max(float x)
{
    for (int step = 16; step > 0; step >>= 1) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, step));
    return x;
}

// ---- attention: He et al. 2021, DeBERTa, eq. 4 ----
// A block of 64 threads takes 32 queries (or keys) of one sentence and head, each thread 4 × 4 elements of a tile of 32 × 32. Tiles lie in shared memory with the dimension
// that is summed over first, so that a thread reads four neighbours at once. Distances i − j of a tile are 63: slot s of a band stands for i0 − j0 − 32 + s.

#define TILE 32
#define STRIDE 36
#define BAND 64
#define BAND_STRIDE 68
#define BLOCK 64

struct Attention
{
    const void *query, *key, *value;              // [N, C]
    const void *positionKey, *positionQuery;      // [U, C], or null
    float* probabilities;                         // per group [heads, scores], rows padded, before dropout
    void* context;                                // [N, C]
    float* scoreGradients;                        // as probabilities
    const void* contextGradient;                  // [N, C]
    void *queryGradient, *keyGradient, *valueGradient; // [N, C]
    void *positionKeyGradient, *positionQueryGradient; // [U, C], or null
    int heads, size;                              // H, D
    float inverseScale;
    Drop drop;
};

struct Quad { float x, y, z, w; };
__device__ inline Quad quad(const float* at) { return *(const Quad*)at; }

__device__ inline i64 first_score(const Pass& pass, const Sentence& s, int heads, int head)
{
    const Group& g = pass.groups[s.group];
    return heads * g.firstScore + head * g.scores + s.score;
}

// to[d][r] = from[first + r, head · D + d0 + d], 0 outside.
template <typename T> __device__ inline void load_transposed(float* to, int stride, const void* from, int first, int rows, int columns, int column, int width)
{
    for (int i = threadIdx.x; i < TILE * TILE; i += BLOCK)
    {
        int r = i / TILE, d = i % TILE;
        to[d * stride + r] = r < rows && d < width ? widen(((const T*)from)[(i64)(first + r) * columns + column + d]) : 0.0f;
    }
}

// to[r][d] = from[first + r, column + d], 0 outside.
template <typename T> __device__ inline void load_rows(float* to, const void* from, int first, int rows, int columns, int column, int width)
{
    for (int i = threadIdx.x; i < TILE * TILE; i += BLOCK)
    {
        int r = i / TILE, d = i % TILE;
        to[r * STRIDE + d] = r < rows && d < width ? widen(((const T*)from)[(i64)(first + r) * columns + column + d]) : 0.0f;
    }
}

__device__ inline int relative_row(const Pass& pass, const Group& g, int distance)
{
    int farthest = g.longest - 1;
    return pass.relativeOfDistance[g.firstDistance + min(max(distance, -farthest), farthest) + farthest];
}

// Slot s of a band: the relative row of distance first + s. Transposed: to[d][s]; else to[s][d].
template <typename T> __device__ inline void load_band(float* to, bool transposed, const void* from, const Pass& pass, const Group& g, int first, int columns, int column, int width)
{
    for (int i = threadIdx.x; i < BAND * TILE; i += BLOCK)
    {
        int s = i / TILE, d = i % TILE;
        float x = d < width ? widen(((const T*)from)[(i64)relative_row(pass, g, first + s) * columns + column + d]) : 0.0f;
        to[transposed ? d * BAND_STRIDE + s : s * STRIDE + d] = x;
    }
}

// acc[a][b] += a_a · b_b over one quad each.
#define OUTER(acc, p, q) \
    acc[0][0] += p.x * q.x; acc[0][1] += p.x * q.y; acc[0][2] += p.x * q.z; acc[0][3] += p.x * q.w; \
    acc[1][0] += p.y * q.x; acc[1][1] += p.y * q.y; acc[1][2] += p.y * q.z; acc[1][3] += p.y * q.w; \
    acc[2][0] += p.z * q.x; acc[2][1] += p.z * q.y; acc[2][2] += p.z * q.z; acc[2][3] += p.z * q.w; \
    acc[3][0] += p.w * q.x; acc[3][1] += p.w * q.y; acc[3][2] += p.w * q.z; acc[3][3] += p.w * q.w;

// Scores of a tile of 32 queries against all keys, softmax, and the context.
template <typename T> __device__ inline void attend(Pass pass, Attention x)
{
    __shared__ float queries[TILE * STRIDE], keys[TILE * STRIDE], positionKeys[TILE * BAND_STRIDE], positionQueries[TILE * BAND_STRIDE];
    const Tile tile = pass.tiles[blockIdx.x];
    const Sentence s = pass.sentences[tile.sentence];
    const Group g = pass.groups[s.group];
    const int head = blockIdx.y, columns = x.heads * x.size, i0 = tile.first, ty = threadIdx.x / 8, tx = threadIdx.x % 8;
    float* scores = x.probabilities + first_score(pass, s, x.heads, head);
    for (int j0 = 0; j0 < s.length; j0 += TILE)
    {
        float acc[4][4] = {};
        for (int d0 = 0; d0 < x.size; d0 += TILE)
        {
            int width = min(TILE, x.size - d0), column = head * x.size + d0;
            __syncthreads();
            load_transposed<T>(queries, STRIDE, x.query, s.row + i0, s.length - i0, columns, column, width);
            load_transposed<T>(keys, STRIDE, x.key, s.row + j0, s.length - j0, columns, column, width);
            if (x.positionKey) load_band<T>(positionKeys, true, x.positionKey, pass, g, i0 - j0 - TILE, columns, column, width);
            if (x.positionQuery) load_band<T>(positionQueries, true, x.positionQuery, pass, g, i0 - j0 - TILE, columns, column, width);
            __syncthreads();
            const int slot = TILE - 4 + 4 * (ty - tx);
            for (int d = 0; d < width; d++)
            {
                Quad q = quad(queries + d * STRIDE + 4 * ty), k = quad(keys + d * STRIDE + 4 * tx);
                OUTER(acc, q, k)
                // Element (a, b) takes slot + 4 + a − b.
                if (x.positionKey)
                {
                    Quad l = quad(positionKeys + d * BAND_STRIDE + slot), h = quad(positionKeys + d * BAND_STRIDE + slot + 4);
                    acc[0][0] += q.x * h.x; acc[0][1] += q.x * l.w; acc[0][2] += q.x * l.z; acc[0][3] += q.x * l.y;
                    acc[1][0] += q.y * h.y; acc[1][1] += q.y * h.x; acc[1][2] += q.y * l.w; acc[1][3] += q.y * l.z;
                    acc[2][0] += q.z * h.z; acc[2][1] += q.z * h.y; acc[2][2] += q.z * h.x; acc[2][3] += q.z * l.w;
                    acc[3][0] += q.w * h.w; acc[3][1] += q.w * h.z; acc[3][2] += q.w * h.y; acc[3][3] += q.w * h.x;
                }

                if (x.positionQuery)
                {
                    Quad l = quad(positionQueries + d * BAND_STRIDE + slot), h = quad(positionQueries + d * BAND_STRIDE + slot + 4);
                    acc[0][0] += k.x * h.x; acc[0][1] += k.y * l.w; acc[0][2] += k.z * l.z; acc[0][3] += k.w * l.y;
                    acc[1][0] += k.x * h.y; acc[1][1] += k.y * h.x; acc[1][2] += k.z * l.w; acc[1][3] += k.w * l.z;
                    acc[2][0] += k.x * h.z; acc[2][1] += k.y * h.y; acc[2][2] += k.z * h.x; acc[2][3] += k.w * l.w;
                    acc[3][0] += k.x * h.w; acc[3][1] += k.y * h.z; acc[3][2] += k.z * h.y; acc[3][3] += k.w * h.x;
                }
            }
        }

        for (int a = 0; a < 4; a++)
            for (int b = 0; b < 4; b++)
            {
                int i = i0 + 4 * ty + a, j = j0 + 4 * tx + b;
                if (i < s.length && j < s.length) scores[(i64)i * s.padded + j] = acc[a][b];
            }
    }

    __syncthreads();
    const int lane = threadIdx.x % 32;
    for (int r = threadIdx.x / 32; r < TILE; r += BLOCK / 32)
    {
        // All lanes of a warp have the same row.
        int i = i0 + r;
        if (i >= s.length) break;
        float* row = scores + (i64)i * s.padded;
        float top = -3.0e38f, total = 0;
        for (int j = lane; j < s.length; j += 32) top = fmaxf(top, row[j]);
        top = warp_max(top);
        for (int j = lane; j < s.length; j += 32)
        {
            float e = expf((row[j] - top) * x.inverseScale);
            row[j] = e;
            total += e;
        }

        float share = 1 / warp_sum(total);
        for (int j = lane; j < s.padded; j += 32) row[j] = j < s.length ? row[j] * share : 0.0f;
    }

    float *weights = queries, *values = keys; // [j][i] and [j][d]
    const Mask m = mask_of(pass, x.drop, s.group);
    const i64 dropped = head * g.scores + s.score;
    for (int d0 = 0; d0 < x.size; d0 += TILE)
    {
        int width = min(TILE, x.size - d0), column = head * x.size + d0;
        float acc[4][4] = {};
        for (int j0 = 0; j0 < s.length; j0 += TILE)
        {
            __syncthreads();
            for (int n = threadIdx.x; n < TILE * TILE; n += BLOCK)
            {
                int i = i0 + n / TILE, j = j0 + n % TILE;
                i64 at = (i64)i * s.padded + j;
                float p = i < s.length && j < s.length ? scores[at] : 0.0f;
                weights[(n % TILE) * STRIDE + n / TILE] = m.threshold ? p * factor(m, dropped + at) : p;
            }

            load_rows<T>(values, x.value, s.row + j0, s.length - j0, columns, column, width);
            __syncthreads();
            for (int j = 0; j < min(TILE, s.length - j0); j++)
            {
                Quad p = quad(weights + j * STRIDE + 4 * ty), v = quad(values + j * STRIDE + 4 * tx);
                OUTER(acc, p, v)
            }
        }

        for (int a = 0; a < 4; a++)
            for (int b = 0; b < 4; b++)
            {
                int i = i0 + 4 * ty + a, d = 4 * tx + b;
                if (i < s.length && d < width) ((T*)x.context)[(i64)(s.row + i) * columns + column + d] = narrow<T>(acc[a][b]);
            }
    }
}

// From ∂context to ∂scores (kept for the other two) and ∂query, for a tile of 32 queries.
template <typename T> __device__ inline void attend_backward_queries(Pass pass, Attention x)
{
    __shared__ float first[TILE * STRIDE], second[TILE * STRIDE], band[BAND * STRIDE];
    const Tile tile = pass.tiles[blockIdx.x];
    const Sentence s = pass.sentences[tile.sentence];
    const Group g = pass.groups[s.group];
    const int head = blockIdx.y, columns = x.heads * x.size, i0 = tile.first, ty = threadIdx.x / 8, tx = threadIdx.x % 8;
    const i64 at0 = first_score(pass, s, x.heads, head), dropped = head * g.scores + s.score;
    const float* probabilities = x.probabilities + at0;
    float* gradients = x.scoreGradients + at0;
    const Mask m = mask_of(pass, x.drop, s.group);
    for (int j0 = 0; j0 < s.length; j0 += TILE)
    {
        // ∂weights = ∂context · valueᵀ, through dropout.
        float acc[4][4] = {};
        for (int d0 = 0; d0 < x.size; d0 += TILE)
        {
            int width = min(TILE, x.size - d0), column = head * x.size + d0;
            __syncthreads();
            load_transposed<T>(first, STRIDE, x.contextGradient, s.row + i0, s.length - i0, columns, column, width);
            load_transposed<T>(second, STRIDE, x.value, s.row + j0, s.length - j0, columns, column, width);
            __syncthreads();
            for (int d = 0; d < width; d++)
            {
                Quad o = quad(first + d * STRIDE + 4 * ty), v = quad(second + d * STRIDE + 4 * tx);
                OUTER(acc, o, v)
            }
        }

        for (int a = 0; a < 4; a++)
            for (int b = 0; b < 4; b++)
            {
                int i = i0 + 4 * ty + a, j = j0 + 4 * tx + b;
                i64 at = (i64)i * s.padded + j;
                if (i < s.length && j < s.length) gradients[at] = m.threshold ? acc[a][b] * factor(m, dropped + at) : acc[a][b];
            }
    }

    __syncthreads();
    const int lane = threadIdx.x % 32;
    for (int r = threadIdx.x / 32; r < TILE; r += BLOCK / 32)
    {
        // ∂scores = P ∘ (∂P − Σ_j ∂P ∘ P) / scale
        int i = i0 + r;
        if (i >= s.length) break;
        const float* p = probabilities + (i64)i * s.padded;
        float* row = gradients + (i64)i * s.padded;
        float dot = 0;
        for (int j = lane; j < s.length; j += 32) dot += row[j] * p[j];
        dot = warp_sum(dot);
        for (int j = lane; j < s.length; j += 32) row[j] = (row[j] - dot) * p[j] * x.inverseScale;
    }

    for (int d0 = 0; d0 < x.size; d0 += TILE)
    {
        int width = min(TILE, x.size - d0), column = head * x.size + d0;
        float acc[4][4] = {};
        for (int j0 = 0; j0 < s.length; j0 += TILE)
        {
            __syncthreads();
            for (int n = threadIdx.x; n < TILE * TILE; n += BLOCK)
            {
                int i = i0 + n / TILE, j = j0 + n % TILE;
                first[(n % TILE) * STRIDE + n / TILE] = i < s.length && j < s.length ? gradients[(i64)i * s.padded + j] : 0.0f;
            }

            load_rows<T>(second, x.key, s.row + j0, s.length - j0, columns, column, width);
            if (x.positionKey) load_band<T>(band, false, x.positionKey, pass, g, i0 - j0 - TILE, columns, column, width);
            __syncthreads();
            const int count = min(TILE, s.length - j0);
            for (int j = 0; j < count; j++)
            {
                // ∂query_i += ∂score_ij · (key_j + κ(i − j))
                Quad p = quad(first + j * STRIDE + 4 * ty), k = quad(second + j * STRIDE + 4 * tx);
                OUTER(acc, p, k)
                if (x.positionKey)
                {
                    const float* at = band + (TILE + 4 * ty - j) * STRIDE + 4 * tx;
                    Quad r0 = quad(at), r1 = quad(at + STRIDE), r2 = quad(at + 2 * STRIDE), r3 = quad(at + 3 * STRIDE);
                    acc[0][0] += p.x * r0.x; acc[0][1] += p.x * r0.y; acc[0][2] += p.x * r0.z; acc[0][3] += p.x * r0.w;
                    acc[1][0] += p.y * r1.x; acc[1][1] += p.y * r1.y; acc[1][2] += p.y * r1.z; acc[1][3] += p.y * r1.w;
                    acc[2][0] += p.z * r2.x; acc[2][1] += p.z * r2.y; acc[2][2] += p.z * r2.z; acc[2][3] += p.z * r2.w;
                    acc[3][0] += p.w * r3.x; acc[3][1] += p.w * r3.y; acc[3][2] += p.w * r3.z; acc[3][3] += p.w * r3.w;
                }
            }
        }

        for (int a = 0; a < 4; a++)
            for (int b = 0; b < 4; b++)
            {
                int i = i0 + 4 * ty + a, d = 4 * tx + b;
                if (i < s.length && d < width) ((T*)x.queryGradient)[(i64)(s.row + i) * columns + column + d] = narrow<T>(acc[a][b]);
            }
    }
}

// ∂key and ∂value, for a tile of 32 keys.
template <typename T> __device__ inline void attend_backward_keys(Pass pass, Attention x)
{
    __shared__ float weights[TILE * STRIDE], gradients[TILE * STRIDE], upper[TILE * STRIDE], queries[TILE * STRIDE], band[BAND * STRIDE];
    const Tile tile = pass.tiles[blockIdx.x];
    const Sentence s = pass.sentences[tile.sentence];
    const Group g = pass.groups[s.group];
    const int head = blockIdx.y, columns = x.heads * x.size, j0 = tile.first, ty = threadIdx.x / 8, tx = threadIdx.x % 8;
    const i64 at0 = first_score(pass, s, x.heads, head), dropped = head * g.scores + s.score;
    const Mask m = mask_of(pass, x.drop, s.group);
    for (int d0 = 0; d0 < x.size; d0 += TILE)
    {
        int width = min(TILE, x.size - d0), column = head * x.size + d0;
        float values[4][4] = {}, keys[4][4] = {};
        for (int i0 = 0; i0 < s.length; i0 += TILE)
        {
            __syncthreads();
            for (int n = threadIdx.x; n < TILE * TILE; n += BLOCK)
            {
                int i = i0 + n / TILE, j = j0 + n % TILE;
                bool inside = i < s.length && j < s.length;
                i64 at = (i64)i * s.padded + j;
                float p = inside ? x.probabilities[at0 + at] : 0.0f;
                weights[n / TILE * STRIDE + n % TILE] = m.threshold ? p * factor(m, dropped + at) : p;
                gradients[n / TILE * STRIDE + n % TILE] = inside ? x.scoreGradients[at0 + at] : 0.0f;
            }

            load_rows<T>(upper, x.contextGradient, s.row + i0, s.length - i0, columns, column, width);
            load_rows<T>(queries, x.query, s.row + i0, s.length - i0, columns, column, width);
            if (x.positionQuery) load_band<T>(band, false, x.positionQuery, pass, g, i0 - j0 - TILE, columns, column, width);
            __syncthreads();
            const int count = min(TILE, s.length - i0);
            for (int i = 0; i < count; i++)
            {
                // ∂value_j += weight_ij · ∂context_i;  ∂key_j += ∂score_ij · (query_i + ρ(i − j))
                Quad p = quad(weights + i * STRIDE + 4 * ty), o = quad(upper + i * STRIDE + 4 * tx);
                OUTER(values, p, o)
                Quad e = quad(gradients + i * STRIDE + 4 * ty), q = quad(queries + i * STRIDE + 4 * tx);
                OUTER(keys, e, q)
                if (x.positionQuery)
                {
                    const float* at = band + (TILE + i - 4 * ty) * STRIDE + 4 * tx;
                    Quad r0 = quad(at), r1 = quad(at - STRIDE), r2 = quad(at - 2 * STRIDE), r3 = quad(at - 3 * STRIDE);
                    keys[0][0] += e.x * r0.x; keys[0][1] += e.x * r0.y; keys[0][2] += e.x * r0.z; keys[0][3] += e.x * r0.w;
                    keys[1][0] += e.y * r1.x; keys[1][1] += e.y * r1.y; keys[1][2] += e.y * r1.z; keys[1][3] += e.y * r1.w;
                    keys[2][0] += e.z * r2.x; keys[2][1] += e.z * r2.y; keys[2][2] += e.z * r2.z; keys[2][3] += e.z * r2.w;
                    keys[3][0] += e.w * r3.x; keys[3][1] += e.w * r3.y; keys[3][2] += e.w * r3.z; keys[3][3] += e.w * r3.w;
                }
            }
        }

        for (int a = 0; a < 4; a++)
            for (int b = 0; b < 4; b++)
            {
                int j = j0 + 4 * ty + a, d = 4 * tx + b;
                if (j >= s.length || d >= width) continue;
                i64 at = (i64)(s.row + j) * columns + column + d;
                ((T*)x.valueGradient)[at] = narrow<T>(values[a][b]);
                ((T*)x.keyGradient)[at] = narrow<T>(keys[a][b]);
            }
    }
}

// ∂κ and ∂ρ, for 32 relative rows of one group: sums over its sentences in one order, so the same at every run. Block (rows, head, group · 2 + table).
template <typename T> __device__ inline void attend_backward_positions(Pass pass, Attention x)
{
    __shared__ float diagonals[TILE * STRIDE], rows[TILE * STRIDE];
    const int group = blockIdx.z / 2, head = blockIdx.y, columns = x.heads * x.size, ty = threadIdx.x / 8, tx = threadIdx.x % 8;
    const bool ofKeys = blockIdx.z % 2 == 0; // κ: query_i times ∂score[i, i − δ]; ρ: key_j times ∂score[j + δ, j]
    const Group g = pass.groups[group];
    void* target = ofKeys ? x.positionKeyGradient : x.positionQueryGradient;
    const int u0 = blockIdx.x * TILE;
    if (!target || u0 >= g.relatives) return;
    const int u1 = min(u0 + TILE, g.relatives) - 1;
    const int lowest = pass.firstDistanceOfRelative[g.firstRelative + u0];
    const int highest = pass.firstDistanceOfRelative[g.firstRelative + u1] + pass.distancesOfRelative[g.firstRelative + u1] - 1;
    const int nearest = lowest > 0 ? lowest : highest < 0 ? -highest : 0;
    for (int d0 = 0; d0 < x.size; d0 += TILE)
    {
        int width = min(TILE, x.size - d0), column = head * x.size + d0;
        float acc[4][4] = {};
        for (int n = g.firstSentence; n < g.firstSentence + g.sentences; n++)
        {
            const Sentence s = pass.sentences[n];
            if (s.length <= nearest) continue;
            const float* gradients = x.scoreGradients + first_score(pass, s, x.heads, head);
            for (int r0 = 0; r0 < s.length; r0 += TILE)
            {
                __syncthreads();
                for (int i = threadIdx.x; i < TILE * TILE; i += BLOCK)
                {
                    int r = r0 + i / TILE, u = u0 + i % TILE;
                    float sum = 0;
                    if (r < s.length && u < g.relatives)
                    {
                        int distance = pass.firstDistanceOfRelative[g.firstRelative + u], end = distance + pass.distancesOfRelative[g.firstRelative + u];
                        for (; distance < end; distance++)
                        {
                            int other = ofKeys ? r - distance : r + distance;
                            if (other >= 0 && other < s.length) sum += gradients[ofKeys ? (i64)r * s.padded + other : (i64)other * s.padded + r];
                        }
                    }

                    diagonals[i / TILE * STRIDE + i % TILE] = sum;
                }

                load_rows<T>(rows, ofKeys ? x.query : x.key, s.row + r0, s.length - r0, columns, column, width);
                __syncthreads();
                const int count = min(TILE, s.length - r0);
                for (int r = 0; r < count; r++)
                {
                    Quad p = quad(diagonals + r * STRIDE + 4 * ty), q = quad(rows + r * STRIDE + 4 * tx);
                    OUTER(acc, p, q)
                }
            }
        }

        for (int a = 0; a < 4; a++)
            for (int b = 0; b < 4; b++)
            {
                int u = u0 + 4 * ty + a, d = 4 * tx + b;
                if (u < g.relatives && d < width) ((T*)target)[(i64)(g.firstRelative + u) * columns + column + d] = narrow<T>(acc[a][b]);
            }
    }
}

// ---- y = LayerNorm(dropout(h) + x): Ba et al. 2016, eq. 4 ----

struct Norm
{
    const void* hidden;       // [N, C], T
    const float* residual;    // [N, C]
    float* sum;               // [N, C], kept for the gradient
    float* statistics;        // [N, 2]: mean, 1 / standard deviation
    const float *weight, *bias;
    float* output;            // [N, C]
    void* copy;               // [N, C], T; null where T is float
    const float* upper;       // ∂y along the residual; overwritten by ∂x
    const void *product0, *product1, *product2; // further summands of ∂y, T, or null
    float* lower;             // ∂x, [N, C]; may be upper
    void* hiddenGradient;     // ∂h, [N, C], T
    float* columnSums;        // [blocks, 3, C]: ∂γ, ∂β, ∂(bias of h's product)
    int rows, columns, rowsPerBlock;
    float epsilon;
    Drop drop;
};

// A warp takes a row; blocks of 4 warps.
template <typename T> __device__ inline void norm(Pass pass, Norm x)
{
    const int row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= x.rows) return;
    const int group = pass.groupOfRow[row];
    const i64 at = (i64)row * x.columns, dropped = (i64)(row - pass.groups[group].firstRow) * x.columns;
    const Mask m = mask_of(pass, x.drop, group);
    float total = 0, squares = 0;
    for (int c = lane; c < x.columns; c += 32)
    {
        float h = widen(((const T*)x.hidden)[at + c]);
        float sum = (m.threshold ? h * factor(m, dropped + c) : h) + x.residual[at + c];
        x.sum[at + c] = sum;
        total += sum;
    }

    const float mean = warp_sum(total) / x.columns;
    for (int c = lane; c < x.columns; c += 32)
    {
        float centred = x.sum[at + c] - mean;
        squares += centred * centred;
    }

    const float scale = 1 / sqrtf(warp_sum(squares) / x.columns + x.epsilon);
    if (lane == 0)
    {
        x.statistics[2 * (i64)row] = mean;
        x.statistics[2 * (i64)row + 1] = scale;
    }

    for (int c = lane; c < x.columns; c += 32)
    {
        float y = (x.sum[at + c] - mean) * scale * x.weight[c] + x.bias[c];
        x.output[at + c] = y;
        if (x.copy) ((T*)x.copy)[at + c] = narrow<T>(y);
    }
}

#define NORM_THREADS 256
#define NORM_COLUMNS 16 // columns of a thread at most: C up to 4,096

// A block takes some rows one after another, a thread its columns of each: column sums stay in registers.
template <typename T> __device__ inline void norm_backward(Pass pass, Norm x)
{
    __shared__ float totals[2][NORM_THREADS / 32];
    float gamma[NORM_COLUMNS] = {}, beta[NORM_COLUMNS] = {}, bias[NORM_COLUMNS] = {};
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int end = min(x.rows, (int)(blockIdx.x + 1) * x.rowsPerBlock);
    for (int row = blockIdx.x * x.rowsPerBlock; row < end; row++)
    {
        const int group = pass.groupOfRow[row];
        const i64 at = (i64)row * x.columns, dropped = (i64)(row - pass.groups[group].firstRow) * x.columns;
        const Mask m = mask_of(pass, x.drop, group);
        const float mean = x.statistics[2 * (i64)row], scale = x.statistics[2 * (i64)row + 1];
        float weighted[NORM_COLUMNS], normal[NORM_COLUMNS], total = 0, projected = 0;
#pragma unroll
        for (int k = 0; k < NORM_COLUMNS; k++)
        {
            int c = threadIdx.x + k * NORM_THREADS;
            if (c >= x.columns) break;
            float upper = x.upper[at + c];
            if (x.product0) upper += widen(((const T*)x.product0)[at + c]);
            if (x.product1) upper += widen(((const T*)x.product1)[at + c]);
            if (x.product2) upper += widen(((const T*)x.product2)[at + c]);
            normal[k] = (x.sum[at + c] - mean) * scale;
            gamma[k] += upper * normal[k];
            beta[k] += upper;
            weighted[k] = upper * x.weight[c];
            total += weighted[k];
            projected += weighted[k] * normal[k];
        }

        total = warp_sum(total);
        projected = warp_sum(projected);
        if (lane == 0)
        {
            totals[0][warp] = total;
            totals[1][warp] = projected;
        }

        __syncthreads();
        total = projected = 0;
        for (int w = 0; w < NORM_THREADS / 32; w++)
        {
            total += totals[0][w];
            projected += totals[1][w];
        }

        __syncthreads();
        total /= x.columns;
        projected /= x.columns;
#pragma unroll
        for (int k = 0; k < NORM_COLUMNS; k++)
        {
            int c = threadIdx.x + k * NORM_THREADS;
            if (c >= x.columns) break;
            float lower = (weighted[k] - total - normal[k] * projected) * scale;
            x.lower[at + c] = lower;
            lower = m.threshold ? lower * factor(m, dropped + c) : lower;
            ((T*)x.hiddenGradient)[at + c] = narrow<T>(lower);
            bias[k] += lower;
        }
    }

#pragma unroll
    for (int k = 0; k < NORM_COLUMNS; k++)
    {
        int c = threadIdx.x + k * NORM_THREADS;
        if (c >= x.columns) break;
        float* sums = x.columnSums + (i64)blockIdx.x * 3 * x.columns;
        sums[c] = gamma[k];
        sums[x.columns + c] = beta[k];
        sums[2 * x.columns + c] = bias[k];
    }
}

// ---- GELU with the error function: Hendrycks and Gimpel 2016, eq. 1; erf by Abramowitz and Stegun 7.1.26 ----

__device__ inline float distribution(float x, float& bell)
{
    float z = fabsf(x) * 0.70710678118654752f;
    bell = expf(-(z * z));
    float t = 1 / (0.3275911f * z + 1);
    float r = 1.061405429f * t - 1.453152027f;
    r = r * t + 1.421413741f;
    r = r * t - 0.284496736f;
    r = r * t + 0.254829592f;
    float half = 0.5f * (r * t * bell);
    return x < 0 ? half : 1 - half;
}

template <typename T> __device__ inline void gelu(const void* input, void* output, i64 count)
{
    for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (i64)gridDim.x * blockDim.x)
    {
        float bell, x = widen(((const T*)input)[i]);
        ((T*)output)[i] = narrow<T>(x * distribution(x, bell));
    }
}

// gradient ·= gelu'(x), x becomes gelu(x); sums of some rows' gradients, [blockIdx.y, columns]. A thread takes a column.
template <typename T> __device__ inline void gelu_backward(void* input, void* gradient, float* sums, int rows, int columns, int rowsPerBlock)
{
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= columns) return;
    const int end = min(rows, (int)(blockIdx.y + 1) * rowsPerBlock);
    float total = 0;
    for (int row = blockIdx.y * rowsPerBlock; row < end; row++)
    {
        i64 at = (i64)row * columns + c;
        float bell, x = widen(((const T*)input)[at]), phi = distribution(x, bell);
        float lower = widen(((const T*)gradient)[at]) * (x * 0.39894228040143268f * bell + phi);
        ((T*)gradient)[at] = narrow<T>(lower);
        ((T*)input)[at] = narrow<T>(x * phi);
        total += lower;
    }

    sums[(i64)blockIdx.y * columns + c] = total;
}

// ---- dropout ----

// output = dropout(input), rows of the pass or relative rows; the output's type may be narrower.
template <typename S, typename T> __device__ inline void drop_rows(Pass pass, const void* input, void* output, int rows, int columns, int areRelative, Drop drop)
{
    const int row = blockIdx.x;
    const int group = areRelative ? pass.groupOfRelative[row] : pass.groupOfRow[row];
    const int first = areRelative ? pass.groups[group].firstRelative : pass.groups[group].firstRow;
    const Mask m = mask_of(pass, drop, group);
    for (int c = threadIdx.x; c < columns; c += blockDim.x)
    {
        i64 at = (i64)row * columns + c;
        float x = widen(((const S*)input)[at]);
        ((T*)output)[at] = narrow<T>(m.threshold ? x * factor(m, (i64)(row - first) * columns + c) : x);
    }
}

// A mask of lib/Model/DropoutRandom.cs: element e takes 16 bits of the hash of e modulo half of the elements.
__device__ inline u32 low_bias(u32 x)
{
    x = (x ^ (x >> 16)) * 0x7feb352du;
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    return x ^ (x >> 16);
}

extern "C" __global__ void half_hash_mask(float* mask, i64 count, u32 key, u32 second, u32 threshold, float scale)
{
    const i64 half = (count + 1) / 2;
    for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < half; i += (i64)gridDim.x * blockDim.x)
    {
        u32 hash = low_bias(low_bias((u32)i ^ key) + second);
        mask[i] = (hash & 0xffffu) >= threshold ? scale : 0.0f;
        if (half + i < count) mask[half + i] = (hash >> 16) >= threshold ? scale : 0.0f;
    }
}

#define OF_TYPE(T, name) \
    extern "C" __global__ void attend_##name(Pass pass, Attention x) { attend<T>(pass, x); } \
    extern "C" __global__ void attend_backward_queries_##name(Pass pass, Attention x) { attend_backward_queries<T>(pass, x); } \
    extern "C" __global__ void attend_backward_keys_##name(Pass pass, Attention x) { attend_backward_keys<T>(pass, x); } \
    extern "C" __global__ void attend_backward_positions_##name(Pass pass, Attention x) { attend_backward_positions<T>(pass, x); } \
    extern "C" __global__ void norm_##name(Pass pass, Norm x) { norm<T>(pass, x); } \
    extern "C" __global__ void norm_backward_##name(Pass pass, Norm x) { norm_backward<T>(pass, x); } \
    extern "C" __global__ void gelu_##name(const void* input, void* output, i64 count) { gelu<T>(input, output, count); } \
    extern "C" __global__ void gelu_backward_##name(void* input, void* gradient, float* sums, int rows, int columns, int rowsPerBlock) \
        { gelu_backward<T>(input, gradient, sums, rows, columns, rowsPerBlock); } \
    extern "C" __global__ void drop_rows_##name(Pass pass, const void* input, void* output, int rows, int columns, int areRelative, Drop drop) \
        { drop_rows<T, T>(pass, input, output, rows, columns, areRelative, drop); } \
    extern "C" __global__ void drop_wide_rows_##name(Pass pass, const void* input, void* output, int rows, int columns, int areRelative, Drop drop) \
        { drop_rows<float, T>(pass, input, output, rows, columns, areRelative, drop); }

OF_TYPE(float, float32)
OF_TYPE(bfloat16, bfloat16)
OF_TYPE(float16, float16)
