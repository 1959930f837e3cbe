// What an encoder layer does besides matrix products, on a CUDA device: the same formulas, dropout masks and layouts as the C# kernels beside this file.
// Compiled by NVRTC when a network first runs on a device, for the card that is there; compiled by g++ in the tests, where each block runs as fibers on the CPU.
//
// N rows (real pieces), C columns = heads · D, l pieces of a sentence, U relative rows. A pass may hold several groups (micro-batches): each draws its own dropout,
// as if it were alone, and has its own relative rows.

typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned long long u64;
typedef long long i64;

struct __align__(16) Octet { u32 x, y, z, w; };

#ifdef __CUDACC__
// Of what no thread writes while the kernel runs: such loads may be moved before stores to shared memory, so that many are under way at once.
__device__ __forceinline__ Octet read_only(const Octet* at)
{
    Octet o;
    asm("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(o.x), "=r"(o.y), "=r"(o.z), "=r"(o.w) : "l"(at));
    return o;
}

__device__ __forceinline__ float read_only(const float* at) { float f; asm("ld.global.nc.f32 %0, [%1];" : "=f"(f) : "l"(at)); return f; }
__device__ __forceinline__ float half_to_float(u16 h) { float f; asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h)); return f; }
__device__ __forceinline__ u16 float_to_half(float f) { u16 h; asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f)); return h; }
#else
__device__ __forceinline__ Octet read_only(const Octet* at) { return *at; }
__device__ __forceinline__ float read_only(const float* at) { return *at; }
#endif

struct bfloat16 { u16 bits; };
struct float16 { u16 bits; };

__device__ __forceinline__ float widen(float x) { return x; }
__device__ __forceinline__ float widen(bfloat16 x) { return __uint_as_float((u32)x.bits << 16); }
__device__ __forceinline__ float widen(float16 x) { return half_to_float(x.bits); }
template <typename T> __device__ __forceinline__ T narrow(float x);
template <> __device__ __forceinline__ float narrow<float>(float x) { return x; }
template <> __device__ __forceinline__ float16 narrow<float16>(float x) { float16 r; r.bits = float_to_half(x); return r; }
template <> __device__ __forceinline__ bfloat16 narrow<bfloat16>(float x)
{
    // Round to nearest, ties to even; what is not a number stays so.
    u32 u = __float_as_uint(x);
    bfloat16 r;
    r.bits = (u & 0x7fffffffu) > 0x7f800000u ? (u16)((u >> 16) | 0x40u) : (u16)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
    return r;
}

// Four neighbours at once: memory is read and written in 8 or 16 bytes.
struct __align__(16) Quad { float x, y, z, w; };
struct __align__(8) Pair { u32 x, y; };
__device__ __forceinline__ Quad quad(const float* at) { return *(const Quad*)at; }
__device__ __forceinline__ Quad load4(const float* at) { return *(const Quad*)at; }
template <typename T> __device__ __forceinline__ T element(u32 bits, int high)
{
    T t;
    t.bits = (u16)(high ? bits >> 16 : bits);
    return t;
}

template <typename T> __device__ __forceinline__ Quad load4(const T* at)
{
    Pair p = *(const Pair*)at;
    Quad q = { widen(element<T>(p.x, 0)), widen(element<T>(p.x, 1)), widen(element<T>(p.y, 0)), widen(element<T>(p.y, 1)) };
    return q;
}

__device__ __forceinline__ void store4(float* at, Quad q) { *(Quad*)at = q; }
template <typename T> __device__ __forceinline__ void store4(T* at, Quad q)
{
    Pair p = { (u32)narrow<T>(q.x).bits | (u32)narrow<T>(q.y).bits << 16, (u32)narrow<T>(q.z).bits | (u32)narrow<T>(q.w).bits << 16 };
    *(Pair*)at = p;
}

// Eight neighbours that no thread writes meanwhile, as they came: many of them can be on their way at once.
template <typename T> struct Eight { Octet o; };
template <> struct Eight<float> { Octet o, p; };
template <typename T> __device__ __forceinline__ Eight<T> read8(const T* at)
{
    Eight<T> e = { read_only((const Octet*)at) };
    return e;
}

template <> __device__ __forceinline__ Eight<float> read8<float>(const float* at)
{
    Eight<float> e = { read_only((const Octet*)at), read_only((const Octet*)at + 1) };
    return e;
}

__device__ __forceinline__ Quad floats(Octet o)
{
    Quad q = { __uint_as_float(o.x), __uint_as_float(o.y), __uint_as_float(o.z), __uint_as_float(o.w) };
    return q;
}

__device__ __forceinline__ void widen8(Eight<float> e, Quad& a, Quad& b)
{
    a = floats(e.o);
    b = floats(e.p);
}

template <typename T> __device__ __forceinline__ void widen8(Eight<T> e, Quad& a, Quad& b)
{
    a = { widen(element<T>(e.o.x, 0)), widen(element<T>(e.o.x, 1)), widen(element<T>(e.o.y, 0)), widen(element<T>(e.o.y, 1)) };
    b = { widen(element<T>(e.o.z, 0)), widen(element<T>(e.o.z, 1)), widen(element<T>(e.o.w, 0)), widen(element<T>(e.o.w, 1)) };
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

// lib/Kernels/DropoutStream.cs.
struct Drop { u64 stream; u32 threshold; float scale; };
struct Mask { u32 key, second, threshold; float scale; };

__device__ __forceinline__ Mask mask_of(const Pass& pass, const Drop& drop, int group)
{
    u64 position = pass.firstStream + pass.streamStep * (u64)group + drop.stream;
    u64 z = pass.seed + (position + 1) * 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    z ^= z >> 31;
    Mask m = { (u32)z, (u32)(z >> 32), drop.threshold, drop.scale };
    return m;
}

__device__ __forceinline__ float factor(const Mask& m, i64 index)
{
    u32 x = (u32)index ^ m.key;
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= (x >> 15) ^ m.second;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return x >= m.threshold ? m.scale : 0.0f;
}

__device__ __forceinline__ void drop4(Quad& q, const Mask& m, i64 index)
{
    q.x *= factor(m, index);
    q.y *= factor(m, index + 1);
    q.z *= factor(m, index + 2);
    q.w *= factor(m, index + 3);
}

__device__ __forceinline__ void add4(Quad& to, Quad q)
{
    to.x += q.x;
    to.y += q.y;
    to.z += q.z;
    to.w += q.w;
}

__device__ __forceinline__ float warp_sum(float x)
{
    for (int step = 16; step > 0; step >>= 1) x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}

// Over the eight lanes that share a row of a tile.
__device__ __forceinline__ float row_sum(float x)
{
    for (int step = 4; step > 0; step >>= 1) x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}

__device__ __forceinline__ float row_max(float x)
{
    for (int step = 4; step > 0; step >>= 1) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, step));
    return x;
}

// ---- attention: He et al. 2021, DeBERTa, eq. 4 ----
// A block of 64 threads takes 32 queries (or keys) of one sentence and head, each thread 4 × 4 elements of a tile of 32 × 32. Tiles lie in shared memory with the dimension
// that is summed over first, so that a thread reads four neighbours at once. Distances i − j of a tile are 63: slot s of a band stands for i0 − j0 − 32 + s.

#define LOWEST (-3.0e38f)
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

#define WIDE 64        // columns of a head that a block gathers at once
#define WIDE_STRIDE 68

__device__ __forceinline__ i64 first_score(const Pass& pass, const Sentence& s, int heads, int head)
{
    const Group& g = pass.groups[s.group];
    return heads * g.firstScore + head * g.scores + s.score;
}

__device__ __forceinline__ void scatter8(float* to, int stride, Quad a, Quad b)
{
    to[0] = a.x; to[stride] = a.y; to[2 * stride] = a.z; to[3 * stride] = a.w;
    to[4 * stride] = b.x; to[5 * stride] = b.y; to[6 * stride] = b.z; to[7 * stride] = b.w;
}

// to[d][r] = from[first + r, column + d] for 32 rows and 32 columns, 0 outside: read by the thread first, then put where all see it. Lanes take rows, so that their stores
// fall into different banks.
#define TILE_EIGHTS (TILE * TILE / 8 / BLOCK)
template <typename T> __device__ __forceinline__ void read_transposed(Eight<T> (&own)[TILE_EIGHTS], const void* from, int first, int rows, int columns, int column)
{
    const T* source = (const T*)from + (i64)first * columns + column;
#pragma unroll
    for (int n = 0; n < TILE_EIGHTS; n++)
    {
        const int i = threadIdx.x + n * BLOCK, r = i % TILE, d = i / TILE * 8;
        own[n] = {};
        if (r < rows) own[n] = read8(source + (i64)r * columns + d);
    }
}

template <typename T> __device__ __forceinline__ void put_transposed(float* to, const Eight<T> (&own)[TILE_EIGHTS])
{
#pragma unroll
    for (int n = 0; n < TILE_EIGHTS; n++)
    {
        const int i = threadIdx.x + n * BLOCK, r = i % TILE, d = i / TILE * 8;
        Quad a, b;
        widen8(own[n], a, b);
        scatter8(to + d * STRIDE + r, STRIDE, a, b);
    }
}

// The same where a head is no multiple of 32 columns.
template <typename T> __device__ __forceinline__ void load_transposed(float* to, const void* from, int first, int rows, int columns, int column, int width)
{
    const T* source = (const T*)from + (i64)first * columns + column;
    for (int i = threadIdx.x; i < TILE * TILE; i += BLOCK)
    {
        int r = i / TILE, d = i % TILE;
        to[d * STRIDE + r] = r < rows && d < width ? widen(source[(i64)r * columns + d]) : 0.0f;
    }
}

// to[r][d] = from[first + r, column + d] for 32 rows and 64 columns, 0 outside.
#define WIDE_EIGHTS (TILE * WIDE / 8 / BLOCK)
template <typename T> __device__ __forceinline__ void load_rows(float* to, const void* from, int first, int rows, int columns, int column, int width, bool isWhole)
{
    const T* source = (const T*)from + (i64)first * columns + column;
    if (isWhole)
    {
        Eight<T> own[WIDE_EIGHTS];
#pragma unroll
        for (int n = 0; n < WIDE_EIGHTS; n++)
        {
            const int i = threadIdx.x + n * BLOCK, r = i / (WIDE / 8), d = i % (WIDE / 8) * 8;
            own[n] = {};
            if (r < rows && d < width) own[n] = read8(source + (i64)r * columns + d);
        }

#pragma unroll
        for (int n = 0; n < WIDE_EIGHTS; n++)
        {
            const int i = threadIdx.x + n * BLOCK, r = i / (WIDE / 8), d = i % (WIDE / 8) * 8;
            Quad a, b;
            widen8(own[n], a, b);
            store4(to + r * WIDE_STRIDE + d, a);
            store4(to + r * WIDE_STRIDE + d + 4, b);
        }

        return;
    }

    for (int i = threadIdx.x; i < TILE * WIDE; i += BLOCK)
    {
        int r = i / WIDE, d = i % WIDE;
        to[r * WIDE_STRIDE + d] = r < rows && d < width ? widen(source[(i64)r * columns + d]) : 0.0f;
    }
}

__device__ __forceinline__ int relative_row(const Pass& pass, const Group& g, int distance)
{
    int farthest = g.longest - 1;
    return pass.relativeOfDistance[g.firstDistance + min(max(distance, -farthest), farthest) + farthest];
}

// Slot s of a band: the relative row of distance first + s; a thread takes a slot. to[d][s], 32 columns.
template <typename T> __device__ __forceinline__ void read_band(Eight<T> (&own)[TILE / 8], const void* from, int row, int columns, int column)
{
    const T* source = (const T*)from + (i64)row * columns + column;
#pragma unroll
    for (int n = 0; n < TILE / 8; n++) own[n] = read8(source + 8 * n);
}

template <typename T> __device__ __forceinline__ void put_band_transposed(float* to, const Eight<T> (&own)[TILE / 8])
{
#pragma unroll
    for (int n = 0; n < TILE / 8; n++)
    {
        Quad a, b;
        widen8(own[n], a, b);
        scatter8(to + 8 * n * BAND_STRIDE + threadIdx.x, BAND_STRIDE, a, b);
    }
}

template <typename T> __device__ __forceinline__ void load_band_transposed(float* to, const void* from, int row, int columns, int column, int width)
{
    const T* source = (const T*)from + (i64)row * columns + column;
    for (int d = 0; d < TILE; d++) to[d * BAND_STRIDE + threadIdx.x] = d < width ? widen(source[d]) : 0.0f;
}

// The same as to[s][d], 64 columns.
template <typename T> __device__ __forceinline__ void load_band(float* to, const void* from, int row, int columns, int column, int width, bool isWhole)
{
    const T* source = (const T*)from + (i64)row * columns + column;
    float* slot = to + threadIdx.x * WIDE_STRIDE;
    if (!isWhole)
    {
        for (int d = 0; d < WIDE; d++) slot[d] = d < width ? widen(source[d]) : 0.0f;
        return;
    }

    Eight<T> own[WIDE / 8];
#pragma unroll
    for (int n = 0; n < WIDE / 8; n++)
    {
        own[n] = {};
        if (8 * n < width) own[n] = read8(source + 8 * n);
    }

#pragma unroll
    for (int n = 0; n < WIDE / 8; n++)
    {
        Quad a, b;
        widen8(own[n], a, b);
        store4(slot + 8 * n, a);
        store4(slot + 8 * n + 4, b);
    }
}

// acc[a][b] += a_a · b_b over one quad each.
#define OUTER(acc, p, q) \
    acc[0][0] += p.x * q.x; acc[0][1] += p.x * q.y; acc[0][2] += p.x * q.z; acc[0][3] += p.x * q.w; \
    acc[1][0] += p.y * q.x; acc[1][1] += p.y * q.y; acc[1][2] += p.y * q.z; acc[1][3] += p.y * q.w; \
    acc[2][0] += p.z * q.x; acc[2][1] += p.z * q.y; acc[2][2] += p.z * q.z; acc[2][3] += p.z * q.w; \
    acc[3][0] += p.w * q.x; acc[3][1] += p.w * q.y; acc[3][2] += p.w * q.z; acc[3][3] += p.w * q.w;

// A thread's 4 × 4 elements of a tile to rows first … of a matrix.
template <typename T> __device__ __forceinline__ void store_tile(void* to, const float (&acc)[4][4], int first, int rows, int columns, int column, int width)
{
    const int ty = threadIdx.x / 8, tx = threadIdx.x % 8;
#pragma unroll
    for (int a = 0; a < 4; a++)
    {
        if (4 * ty + a >= rows) continue;
        T* row = (T*)to + (i64)(first + 4 * ty + a) * columns + column + 4 * tx;
        if (4 * tx + 4 <= width && (columns | column) % 4 == 0)
        {
            Quad q = { acc[a][0], acc[a][1], acc[a][2], acc[a][3] };
            store4(row, q);
        }
        else
        {
#pragma unroll
            for (int b = 0; b < 4; b++)
                if (4 * tx + b < width) row[b] = narrow<T>(acc[a][b]);
        }
    }
}

#define BAND_QUADS(r, at, step) Quad r##0 = quad(at), r##1 = quad((at) + (step)), r##2 = quad((at) + 2 * (step)), r##3 = quad((at) + 3 * (step));

// acc[a][b] += p_a · (rows of a band, one further for each a)_b
#define OUTER_BAND(acc, p, r0, r1, r2, r3) \
    acc[0][0] += p.x * r0.x; acc[0][1] += p.x * r0.y; acc[0][2] += p.x * r0.z; acc[0][3] += p.x * r0.w; \
    acc[1][0] += p.y * r1.x; acc[1][1] += p.y * r1.y; acc[1][2] += p.y * r1.z; acc[1][3] += p.y * r1.w; \
    acc[2][0] += p.z * r2.x; acc[2][1] += p.z * r2.y; acc[2][2] += p.z * r2.z; acc[2][3] += p.z * r2.w; \
    acc[3][0] += p.w * r3.x; acc[3][1] += p.w * r3.y; acc[3][2] += p.w * r3.z; acc[3][3] += p.w * r3.w;

// Scores of a tile of 32 queries against all keys, softmax, and the context.
template <typename T> __device__ __forceinline__ void attend(Pass pass, Attention x)
{
    __shared__ __align__(16) float queries[TILE * STRIDE], keys[TILE * WIDE_STRIDE], positionKeys[TILE * BAND_STRIDE], positionQueries[TILE * BAND_STRIDE];
    __shared__ float rowTop[TILE], rowShare[TILE];
    const Tile tile = pass.tiles[blockIdx.x];
    const Sentence s = pass.sentences[tile.sentence];
    const Group g = pass.groups[s.group];
    const int head = blockIdx.y, columns = x.heads * x.size, i0 = tile.first, ty = threadIdx.x / 8, tx = threadIdx.x % 8;
    float* scores = x.probabilities + first_score(pass, s, x.heads, head);
    float top[4] = { LOWEST, LOWEST, LOWEST, LOWEST }, total[4] = {};
    for (int j0 = 0; j0 < s.length; j0 += TILE)
    {
        float acc[4][4] = {};
        const int relative = relative_row(pass, g, i0 - j0 - TILE + (int)threadIdx.x);
        for (int d0 = 0; d0 < x.size; d0 += TILE)
        {
            const int width = min(TILE, x.size - d0), column = head * x.size + d0;
            if (width == TILE && x.size % 8 == 0)
            {
                Eight<T> q[TILE_EIGHTS], k[TILE_EIGHTS], r[TILE / 8] = {}, t[TILE / 8] = {};
                read_transposed<T>(q, x.query, s.row + i0, s.length - i0, columns, column);
                read_transposed<T>(k, x.key, s.row + j0, s.length - j0, columns, column);
                if (x.positionKey) read_band<T>(r, x.positionKey, relative, columns, column);
                if (x.positionQuery) read_band<T>(t, x.positionQuery, relative, columns, column);
                __syncthreads();
                put_transposed<T>(queries, q);
                put_transposed<T>(keys, k);
                if (x.positionKey) put_band_transposed<T>(positionKeys, r);
                if (x.positionQuery) put_band_transposed<T>(positionQueries, t);
            }
            else
            {
                __syncthreads();
                load_transposed<T>(queries, x.query, s.row + i0, s.length - i0, columns, column, width);
                load_transposed<T>(keys, x.key, s.row + j0, s.length - j0, columns, column, width);
                if (x.positionKey) load_band_transposed<T>(positionKeys, x.positionKey, relative, columns, column, width);
                if (x.positionQuery) load_band_transposed<T>(positionQueries, x.positionQuery, relative, columns, column, width);
            }

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

        // The scores wait in memory; of each row a thread keeps its own highest and Σ exp(score − highest).
#pragma unroll
        for (int a = 0; a < 4; a++)
        {
            const int i = i0 + 4 * ty + a;
            float highest = top[a], sum = 0;
#pragma unroll
            for (int b = 0; b < 4; b++)
                if (j0 + 4 * tx + b < s.length) highest = fmaxf(highest, acc[a][b]);
#pragma unroll
            for (int b = 0; b < 4; b++)
            {
                const int j = j0 + 4 * tx + b;
                if (j < s.length) sum += expf((acc[a][b] - highest) * x.inverseScale);
                if (i < s.length && j < s.length) scores[(i64)i * s.padded + j] = acc[a][b];
            }

            total[a] = total[a] * expf((top[a] - highest) * x.inverseScale) + sum;
            top[a] = highest;
        }
    }

#pragma unroll
    for (int a = 0; a < 4; a++)
    {
        const float highest = row_max(top[a]), sum = row_sum(total[a] * expf((top[a] - highest) * x.inverseScale));
        if (tx == 0)
        {
            rowTop[4 * ty + a] = highest;
            rowShare[4 * ty + a] = 1 / sum;
        }
    }

    float *weights = queries, *values = keys; // [j][i] and [j][d]
    const Mask m = mask_of(pass, x.drop, s.group);
    const i64 dropped = head * g.scores + s.score;
    for (int d0 = 0; d0 < x.size; d0 += WIDE)
    {
        const int width = min(WIDE, x.size - d0), column = head * x.size + d0;
        const bool isWhole = x.size % 8 == 0;
        float low[4][4] = {}, high[4][4] = {}; // columns 4 · tx … and 32 + 4 · tx …
        for (int j0 = 0; j0 < s.length; j0 += TILE)
        {
            __syncthreads();
            // A thread takes every second row of one column; all its loads are under way together.
            const int j = j0 + threadIdx.x % TILE;
            float p[TILE * TILE / BLOCK];
#pragma unroll
            for (int n = 0; n < TILE * TILE / BLOCK; n++)
            {
                const int i = i0 + threadIdx.x / TILE + n * (BLOCK / TILE);
                p[n] = i < s.length && j < s.length ? scores[(i64)i * s.padded + j] : LOWEST;
            }

#pragma unroll
            for (int n = 0; n < TILE * TILE / BLOCK; n++)
            {
                const int r = threadIdx.x / TILE + n * (BLOCK / TILE);
                const i64 at = (i64)(i0 + r) * s.padded + j;
                const bool isInside = i0 + r < s.length && j < s.length;
                if (d0 == 0)
                {
                    p[n] = isInside ? expf((p[n] - rowTop[r]) * x.inverseScale) * rowShare[r] : 0.0f;
                    if (i0 + r < s.length && j < s.padded) scores[at] = p[n];
                }
                else if (!isInside) p[n] = 0;

                weights[threadIdx.x % TILE * STRIDE + r] = m.threshold ? p[n] * factor(m, dropped + at) : p[n];
            }

            load_rows<T>(values, x.value, s.row + j0, s.length - j0, columns, column, width, isWhole);
            __syncthreads();
            const int count = min(TILE, s.length - j0);
            for (int j = 0; j < count; j++)
            {
                Quad p = quad(weights + j * STRIDE + 4 * ty), v = quad(values + j * WIDE_STRIDE + 4 * tx), w = quad(values + j * WIDE_STRIDE + TILE + 4 * tx);
                OUTER(low, p, v)
                OUTER(high, p, w)
            }
        }

        store_tile<T>(x.context, low, s.row + i0, s.length - i0, columns, column, width);
        store_tile<T>(x.context, high, s.row + i0, s.length - i0, columns, column + TILE, width - TILE);
    }
}

// From ∂context to ∂scores (kept for the other two) and ∂query, for a tile of 32 queries.
template <typename T> __device__ __forceinline__ void attend_backward_queries(Pass pass, Attention x)
{
    __shared__ __align__(16) float first[TILE * STRIDE], second[TILE * WIDE_STRIDE], band[BAND * WIDE_STRIDE];
    __shared__ float rowDot[TILE];
    const Tile tile = pass.tiles[blockIdx.x];
    const Sentence s = pass.sentences[tile.sentence];
    const Group g = pass.groups[s.group];
    const int head = blockIdx.y, columns = x.heads * x.size, i0 = tile.first, ty = threadIdx.x / 8, tx = threadIdx.x % 8;
    const i64 at0 = first_score(pass, s, x.heads, head), dropped = head * g.scores + s.score;
    const float* probabilities = x.probabilities + at0;
    float* gradients = x.scoreGradients + at0;
    const Mask m = mask_of(pass, x.drop, s.group);
    float dot[4] = {}; // of a row: Σ_j ∂P ∘ P
    for (int j0 = 0; j0 < s.length; j0 += TILE)
    {
        // ∂weights = ∂context · valueᵀ, through dropout.
        float acc[4][4] = {};
        for (int d0 = 0; d0 < x.size; d0 += TILE)
        {
            const int width = min(TILE, x.size - d0), column = head * x.size + d0;
            if (width == TILE && x.size % 8 == 0)
            {
                Eight<T> o[TILE_EIGHTS], v[TILE_EIGHTS];
                read_transposed<T>(o, x.contextGradient, s.row + i0, s.length - i0, columns, column);
                read_transposed<T>(v, x.value, s.row + j0, s.length - j0, columns, column);
                __syncthreads();
                put_transposed<T>(first, o);
                put_transposed<T>(second, v);
            }
            else
            {
                __syncthreads();
                load_transposed<T>(first, x.contextGradient, s.row + i0, s.length - i0, columns, column, width);
                load_transposed<T>(second, x.value, s.row + j0, s.length - j0, columns, column, width);
            }

            __syncthreads();
            for (int d = 0; d < width; d++)
            {
                Quad o = quad(first + d * STRIDE + 4 * ty), v = quad(second + d * STRIDE + 4 * tx);
                OUTER(acc, o, v)
            }
        }

#pragma unroll
        for (int a = 0; a < 4; a++)
#pragma unroll
            for (int b = 0; b < 4; b++)
            {
                const int i = i0 + 4 * ty + a, j = j0 + 4 * tx + b;
                const i64 at = (i64)i * s.padded + j;
                if (i >= s.length || j >= s.length) continue;
                const float g = m.threshold ? acc[a][b] * factor(m, dropped + at) : acc[a][b];
                gradients[at] = g;
                dot[a] += g * read_only(probabilities + at);
            }
    }

#pragma unroll
    for (int a = 0; a < 4; a++)
    {
        const float sum = row_sum(dot[a]);
        if (tx == 0) rowDot[4 * ty + a] = sum;
    }

    for (int d0 = 0; d0 < x.size; d0 += WIDE)
    {
        const int width = min(WIDE, x.size - d0), column = head * x.size + d0;
        const bool isWhole = x.size % 8 == 0;
        float low[4][4] = {}, high[4][4] = {};
        for (int j0 = 0; j0 < s.length; j0 += TILE)
        {
            __syncthreads();
            const int j = j0 + threadIdx.x % TILE;
            float e[TILE * TILE / BLOCK], p[TILE * TILE / BLOCK];
#pragma unroll
            for (int n = 0; n < TILE * TILE / BLOCK; n++)
            {
                const int i = i0 + threadIdx.x / TILE + n * (BLOCK / TILE);
                const bool isInside = i < s.length && j < s.length;
                e[n] = isInside ? gradients[(i64)i * s.padded + j] : 0.0f;
                p[n] = isInside && d0 == 0 ? read_only(probabilities + (i64)i * s.padded + j) : 0.0f;
            }

#pragma unroll
            for (int n = 0; n < TILE * TILE / BLOCK; n++)
            {
                const int r = threadIdx.x / TILE + n * (BLOCK / TILE);
                if (d0 == 0 && i0 + r < s.length && j < s.length)
                {
                    // ∂scores = P ∘ (∂P − Σ_j ∂P ∘ P) / scale
                    e[n] = (e[n] - rowDot[r]) * p[n] * x.inverseScale;
                    gradients[(i64)(i0 + r) * s.padded + j] = e[n];
                }

                first[threadIdx.x % TILE * STRIDE + r] = e[n];
            }

            load_rows<T>(second, x.key, s.row + j0, s.length - j0, columns, column, width, isWhole);
            if (x.positionKey) load_band<T>(band, x.positionKey, relative_row(pass, g, i0 - j0 - TILE + (int)threadIdx.x), columns, column, width, isWhole);
            __syncthreads();
            const int count = min(TILE, s.length - j0);
            for (int j = 0; j < count; j++)
            {
                // ∂query_i += ∂score_ij · (key_j + κ(i − j))
                Quad p = quad(first + j * STRIDE + 4 * ty), k = quad(second + j * WIDE_STRIDE + 4 * tx), l = quad(second + j * WIDE_STRIDE + TILE + 4 * tx);
                OUTER(low, p, k)
                OUTER(high, p, l)
                if (x.positionKey)
                {
                    const float* at = band + (TILE + 4 * ty - j) * WIDE_STRIDE + 4 * tx;
                    BAND_QUADS(r, at, WIDE_STRIDE)
                    OUTER_BAND(low, p, r0, r1, r2, r3)
                    at += TILE;
                    BAND_QUADS(t, at, WIDE_STRIDE)
                    OUTER_BAND(high, p, t0, t1, t2, t3)
                }
            }
        }

        store_tile<T>(x.queryGradient, low, s.row + i0, s.length - i0, columns, column, width);
        store_tile<T>(x.queryGradient, high, s.row + i0, s.length - i0, columns, column + TILE, width - TILE);
    }
}

// ∂key and ∂value, for a tile of 32 keys.
template <typename T> __device__ __forceinline__ void attend_backward_keys(Pass pass, Attention x)
{
    __shared__ __align__(16) float weights[TILE * STRIDE], gradients[TILE * STRIDE], upper[TILE * WIDE_STRIDE], queries[TILE * WIDE_STRIDE], band[BAND * WIDE_STRIDE];
    const Tile tile = pass.tiles[blockIdx.x];
    const Sentence s = pass.sentences[tile.sentence];
    const Group g = pass.groups[s.group];
    const int head = blockIdx.y, columns = x.heads * x.size, j0 = tile.first, ty = threadIdx.x / 8, tx = threadIdx.x % 8;
    const i64 at0 = first_score(pass, s, x.heads, head), dropped = head * g.scores + s.score;
    const Mask m = mask_of(pass, x.drop, s.group);
    for (int d0 = 0; d0 < x.size; d0 += WIDE)
    {
        const int width = min(WIDE, x.size - d0), column = head * x.size + d0;
        const bool isWhole = x.size % 8 == 0;
        float values[4][4] = {}, valuesHigh[4][4] = {}, keys[4][4] = {}, keysHigh[4][4] = {};
        for (int i0 = 0; i0 < s.length; i0 += TILE)
        {
            __syncthreads();
            const int j = j0 + threadIdx.x % TILE;
            float own[TILE * TILE / BLOCK], score[TILE * TILE / BLOCK];
#pragma unroll
            for (int n = 0; n < TILE * TILE / BLOCK; n++)
            {
                const int i = i0 + threadIdx.x / TILE + n * (BLOCK / TILE);
                const bool isInside = i < s.length && j < s.length;
                const i64 at = at0 + (i64)i * s.padded + j;
                own[n] = isInside ? read_only(x.probabilities + at) : 0.0f;
                score[n] = isInside ? read_only(x.scoreGradients + at) : 0.0f;
            }

#pragma unroll
            for (int n = 0; n < TILE * TILE / BLOCK; n++)
            {
                const int r = threadIdx.x / TILE + n * (BLOCK / TILE), to = r * STRIDE + threadIdx.x % TILE;
                weights[to] = m.threshold ? own[n] * factor(m, dropped + (i64)(i0 + r) * s.padded + j) : own[n];
                gradients[to] = score[n];
            }

            load_rows<T>(upper, x.contextGradient, s.row + i0, s.length - i0, columns, column, width, isWhole);
            load_rows<T>(queries, x.query, s.row + i0, s.length - i0, columns, column, width, isWhole);
            if (x.positionQuery) load_band<T>(band, x.positionQuery, relative_row(pass, g, i0 - j0 - TILE + (int)threadIdx.x), columns, column, width, isWhole);
            __syncthreads();
            const int count = min(TILE, s.length - i0);
            for (int i = 0; i < count; i++)
            {
                // ∂value_j += weight_ij · ∂context_i;  ∂key_j += ∂score_ij · (query_i + ρ(i − j))
                Quad p = quad(weights + i * STRIDE + 4 * ty), o = quad(upper + i * WIDE_STRIDE + 4 * tx), u = quad(upper + i * WIDE_STRIDE + TILE + 4 * tx);
                OUTER(values, p, o)
                OUTER(valuesHigh, p, u)
                Quad e = quad(gradients + i * STRIDE + 4 * ty), q = quad(queries + i * WIDE_STRIDE + 4 * tx), v = quad(queries + i * WIDE_STRIDE + TILE + 4 * tx);
                OUTER(keys, e, q)
                OUTER(keysHigh, e, v)
                if (x.positionQuery)
                {
                    const float* at = band + (TILE + i - 4 * ty) * WIDE_STRIDE + 4 * tx;
                    BAND_QUADS(r, at, -WIDE_STRIDE)
                    OUTER_BAND(keys, e, r0, r1, r2, r3)
                    at += TILE;
                    BAND_QUADS(t, at, -WIDE_STRIDE)
                    OUTER_BAND(keysHigh, e, t0, t1, t2, t3)
                }
            }
        }

        const int first = s.row + j0, rows = s.length - j0;
        store_tile<T>(x.valueGradient, values, first, rows, columns, column, width);
        store_tile<T>(x.valueGradient, valuesHigh, first, rows, columns, column + TILE, width - TILE);
        store_tile<T>(x.keyGradient, keys, first, rows, columns, column, width);
        store_tile<T>(x.keyGradient, keysHigh, first, rows, columns, column + TILE, width - TILE);
    }
}

// ∂κ and ∂ρ, for 32 relative rows of one group: sums over its sentences in one order, so the same at every run. Block (rows, head, group · 2 + table).
template <typename T> __device__ __forceinline__ void attend_backward_positions(Pass pass, Attention x)
{
    __shared__ __align__(16) float diagonals[TILE * STRIDE], rows[TILE * WIDE_STRIDE];
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
    // A thread gathers for one relative row.
    const int u = u0 + threadIdx.x % TILE;
    const int distance0 = u < g.relatives ? pass.firstDistanceOfRelative[g.firstRelative + u] : 0;
    const int distances = u < g.relatives ? pass.distancesOfRelative[g.firstRelative + u] : 0;
    for (int d0 = 0; d0 < x.size; d0 += WIDE)
    {
        const int width = min(WIDE, x.size - d0), column = head * x.size + d0;
        float low[4][4] = {}, high[4][4] = {};
        for (int n = g.firstSentence; n < g.firstSentence + g.sentences; n++)
        {
            const Sentence s = pass.sentences[n];
            if (s.length <= nearest) continue;
            const float* gradients = x.scoreGradients + first_score(pass, s, x.heads, head);
            for (int r0 = 0; r0 < s.length; r0 += TILE)
            {
                __syncthreads();
                // Near distances have a relative row each; only far ones share theirs.
                float sums[TILE * TILE / BLOCK] = {};
                for (int k = 0; k < distances; k++)
                {
#pragma unroll
                    for (int n = 0; n < TILE * TILE / BLOCK; n++)
                    {
                        const int r = r0 + threadIdx.x / TILE + n * (BLOCK / TILE), other = ofKeys ? r - distance0 - k : r + distance0 + k;
                        if (r < s.length && other >= 0 && other < s.length) sums[n] += read_only(gradients + (ofKeys ? (i64)r * s.padded + other : (i64)other * s.padded + r));
                    }
                }

#pragma unroll
                for (int n = 0; n < TILE * TILE / BLOCK; n++) diagonals[(threadIdx.x / TILE + n * (BLOCK / TILE)) * STRIDE + threadIdx.x % TILE] = sums[n];
                load_rows<T>(rows, ofKeys ? x.query : x.key, s.row + r0, s.length - r0, columns, column, width, x.size % 8 == 0);
                __syncthreads();
                const int count = min(TILE, s.length - r0);
                for (int r = 0; r < count; r++)
                {
                    Quad p = quad(diagonals + r * STRIDE + 4 * ty), q = quad(rows + r * WIDE_STRIDE + 4 * tx), t = quad(rows + r * WIDE_STRIDE + TILE + 4 * tx);
                    OUTER(low, p, q)
                    OUTER(high, p, t)
                }
            }
        }

        store_tile<T>(target, low, g.firstRelative + u0, g.relatives - u0, columns, column, width);
        store_tile<T>(target, high, g.firstRelative + u0, g.relatives - u0, columns, column + TILE, width - TILE);
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
template <typename T> __device__ __forceinline__ void norm(Pass pass, Norm x)
{
    const int row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= x.rows) return;
    const int group = pass.groupOfRow[row];
    const i64 at = (i64)row * x.columns, dropped = (i64)(row - pass.groups[group].firstRow) * x.columns;
    const Mask m = mask_of(pass, x.drop, group);
    float total = 0, squares = 0;
    for (int c = 4 * lane; c < x.columns; c += 128)
    {
        Quad h = load4((const T*)x.hidden + at + c), r = load4(x.residual + at + c);
        if (m.threshold) drop4(h, m, dropped + c);
        Quad sum = { h.x + r.x, h.y + r.y, h.z + r.z, h.w + r.w };
        store4(x.sum + at + c, sum);
        total += sum.x + sum.y + sum.z + sum.w;
    }

    const float mean = warp_sum(total) / x.columns;
    for (int c = 4 * lane; c < x.columns; c += 128)
    {
        Quad v = load4(x.sum + at + c);
        squares += (v.x - mean) * (v.x - mean) + (v.y - mean) * (v.y - mean) + (v.z - mean) * (v.z - mean) + (v.w - mean) * (v.w - mean);
    }

    const float scale = 1 / sqrtf(warp_sum(squares) / x.columns + x.epsilon);
    if (lane == 0)
    {
        x.statistics[2 * (i64)row] = mean;
        x.statistics[2 * (i64)row + 1] = scale;
    }

    for (int c = 4 * lane; c < x.columns; c += 128)
    {
        Quad v = load4(x.sum + at + c), w = load4(x.weight + c), b = load4(x.bias + c);
        Quad y = { (v.x - mean) * scale * w.x + b.x, (v.y - mean) * scale * w.y + b.y, (v.z - mean) * scale * w.z + b.z, (v.w - mean) * scale * w.w + b.w };
        store4(x.output + at + c, y);
        if (x.copy) store4((T*)x.copy + at + c, y);
    }
}

#define NORM_THREADS 256
#define NORM_QUADS 4 // of columns, that a thread takes at most: C up to 4,096

// A block takes some rows one after another, a thread its columns of each: column sums stay in registers.
template <typename T> __device__ __forceinline__ void norm_backward(Pass pass, Norm x)
{
    __shared__ float totals[2][NORM_THREADS / 32];
    Quad gamma[NORM_QUADS] = {}, beta[NORM_QUADS] = {}, bias[NORM_QUADS] = {};
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int end = min(x.rows, (int)(blockIdx.x + 1) * x.rowsPerBlock);
    for (int row = blockIdx.x * x.rowsPerBlock; row < end; row++)
    {
        const int group = pass.groupOfRow[row];
        const i64 at = (i64)row * x.columns, dropped = (i64)(row - pass.groups[group].firstRow) * x.columns;
        const Mask m = mask_of(pass, x.drop, group);
        const float mean = x.statistics[2 * (i64)row], scale = x.statistics[2 * (i64)row + 1];
        Quad weighted[NORM_QUADS], normal[NORM_QUADS];
        float total = 0, projected = 0;
#pragma unroll
        for (int k = 0; k < NORM_QUADS; k++)
        {
            int c = 4 * (threadIdx.x + k * NORM_THREADS);
            if (c >= x.columns) continue;
            Quad u = load4(x.upper + at + c), v = load4(x.sum + at + c), w = load4(x.weight + c);
            if (x.product0) add4(u, load4((const T*)x.product0 + at + c));
            if (x.product1) add4(u, load4((const T*)x.product1 + at + c));
            if (x.product2) add4(u, load4((const T*)x.product2 + at + c));
            Quad n = { (v.x - mean) * scale, (v.y - mean) * scale, (v.z - mean) * scale, (v.w - mean) * scale };
            Quad g = { u.x * n.x, u.y * n.y, u.z * n.z, u.w * n.w };
            add4(gamma[k], g);
            add4(beta[k], u);
            Quad y = { u.x * w.x, u.y * w.y, u.z * w.z, u.w * w.w };
            total += y.x + y.y + y.z + y.w;
            projected += y.x * n.x + y.y * n.y + y.z * n.z + y.w * n.w;
            weighted[k] = y;
            normal[k] = n;
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
        for (int k = 0; k < NORM_QUADS; k++)
        {
            int c = 4 * (threadIdx.x + k * NORM_THREADS);
            if (c >= x.columns) continue;
            Quad w = weighted[k], n = normal[k];
            Quad lower = { (w.x - total - n.x * projected) * scale, (w.y - total - n.y * projected) * scale,
                (w.z - total - n.z * projected) * scale, (w.w - total - n.w * projected) * scale };
            store4(x.lower + at + c, lower);
            if (m.threshold) drop4(lower, m, dropped + c);
            store4((T*)x.hiddenGradient + at + c, lower);
            add4(bias[k], lower);
        }
    }

    float* sums = x.columnSums + (i64)blockIdx.x * 3 * x.columns;
#pragma unroll
    for (int k = 0; k < NORM_QUADS; k++)
    {
        int c = 4 * (threadIdx.x + k * NORM_THREADS);
        if (c >= x.columns) continue;
        store4(sums + c, gamma[k]);
        store4(sums + x.columns + c, beta[k]);
        store4(sums + 2 * x.columns + c, bias[k]);
    }
}

// ---- column sums, in two steps and one order: rows to blocks' sums, those to the gradient ----

// sums[block, matrix, column] = Σ over a block's rows of matrices[matrix, row, column]; a thread takes four columns.
template <typename T> __device__ __forceinline__ void column_sums(const void* matrices, float* sums, int rows, int columns, int rowsPerBlock)
{
    const int c = 4 * (blockIdx.x * blockDim.x + threadIdx.x);
    if (c >= columns) return;
    const int end = min(rows, (int)(blockIdx.y + 1) * rowsPerBlock);
    const T* from = (const T*)matrices + (i64)blockIdx.z * rows * columns + c;
    Quad total = {};
    for (int row = blockIdx.y * rowsPerBlock; row < end; row++) add4(total, load4(from + (i64)row * columns));
    store4(sums + ((i64)blockIdx.y * gridDim.z + blockIdx.z) * columns + c, total);
}

struct Totals { float* target[3]; int accumulate[3]; int unused; };

// target[matrix][column] (+)= Σ_block sums[block, matrix, column]. A block of 32 × 8 threads takes 32 columns of one matrix.
extern "C" __global__ void column_totals(const float* sums, Totals to, int blocks, int columns)
{
    __shared__ float partial[8][33];
    const int column = blockIdx.x * 32 + threadIdx.x % 32, part = threadIdx.x / 32;
    float* target = to.target[blockIdx.y];
    if (!target) return;
    float total = 0;
    if (column < columns)
        for (int b = part; b < blocks; b += 8) total += sums[((i64)b * gridDim.y + blockIdx.y) * columns + column];
    partial[part][threadIdx.x % 32] = total;
    __syncthreads();
    if (part != 0 || column >= columns) return;
    for (int p = 1; p < 8; p++) total += partial[p][threadIdx.x];
    target[column] = to.accumulate[blockIdx.y] ? target[column] + total : total;
}

// ---- GELU with the error function: Hendrycks and Gimpel 2016, eq. 1; erf by Abramowitz and Stegun 7.1.26 ----

__device__ __forceinline__ float distribution(float x, float& bell)
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

template <typename T> __device__ __forceinline__ void gelu(const void* input, void* output, i64 count)
{
    for (i64 i = 4 * ((i64)blockIdx.x * blockDim.x + threadIdx.x); i < count; i += 4 * (i64)gridDim.x * blockDim.x)
    {
        float bell;
        Quad x = load4((const T*)input + i);
        Quad y = { x.x * distribution(x.x, bell), x.y * distribution(x.y, bell), x.z * distribution(x.z, bell), x.w * distribution(x.w, bell) };
        store4((T*)output + i, y);
    }
}

__device__ __forceinline__ float gelu_slope(float& x)
{
    float bell, phi = distribution(x, bell), slope = x * 0.39894228040143268f * bell + phi;
    x *= phi;
    return slope;
}

// gradient ·= gelu'(x), x becomes gelu(x); sums of some rows' gradients, [blockIdx.y, columns]. A thread takes four columns.
template <typename T> __device__ __forceinline__ void gelu_backward(void* input, void* gradient, float* sums, int rows, int columns, int rowsPerBlock)
{
    const int c = 4 * (blockIdx.x * blockDim.x + threadIdx.x);
    if (c >= columns) return;
    const int end = min(rows, (int)(blockIdx.y + 1) * rowsPerBlock);
    Quad total = {};
    for (int row = blockIdx.y * rowsPerBlock; row < end; row++)
    {
        const i64 at = (i64)row * columns + c;
        Quad x = load4((const T*)input + at), g = load4((const T*)gradient + at);
        g.x *= gelu_slope(x.x);
        g.y *= gelu_slope(x.y);
        g.z *= gelu_slope(x.z);
        g.w *= gelu_slope(x.w);
        store4((T*)gradient + at, g);
        store4((T*)input + at, x);
        add4(total, g);
    }

    store4(sums + (i64)blockIdx.y * columns + c, total);
}

// ---- dropout ----

// output = dropout(input), rows of the pass or relative rows; the output's type may be narrower.
template <typename S, typename T> __device__ __forceinline__ void drop_rows(Pass pass, const void* input, void* output, int rows, int columns, int areRelative, Drop drop)
{
    const int row = blockIdx.x;
    const int group = areRelative ? pass.groupOfRelative[row] : pass.groupOfRow[row];
    const int first = areRelative ? pass.groups[group].firstRelative : pass.groups[group].firstRow;
    const Mask m = mask_of(pass, drop, group);
    for (int c = 4 * threadIdx.x; c < columns; c += 4 * blockDim.x)
    {
        i64 at = (i64)row * columns + c;
        Quad x = load4((const S*)input + at);
        if (m.threshold) drop4(x, m, (i64)(row - first) * columns + c);
        store4((T*)output + at, x);
    }
}

// sum += dropout(first + second), relative rows; second may be null.
template <typename T> __device__ __forceinline__ void add_dropped(Pass pass, const void* first, const void* second, float* sum, int columns, Drop drop)
{
    const int row = blockIdx.x, group = pass.groupOfRelative[row];
    const Mask m = mask_of(pass, drop, group);
    for (int c = 4 * threadIdx.x; c < columns; c += 4 * blockDim.x)
    {
        i64 at = (i64)row * columns + c;
        Quad x = load4((const T*)first + at), total = load4(sum + at);
        if (second) add4(x, load4((const T*)second + at));
        if (m.threshold) drop4(x, m, (i64)(row - pass.groups[group].firstRelative) * columns + c);
        add4(total, x);
        store4(sum + at, total);
    }
}

// A mask of lib/Model/DropoutRandom.cs: element e takes 16 bits of the hash of e modulo half of the elements.
__device__ __forceinline__ u32 low_bias(u32 x)
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

// A mask of one stream of a layer, for layers that run as modules.
extern "C" __global__ void stream_mask(float* mask, i64 count, u32 key, u32 second, u32 threshold, float scale)
{
    const Mask m = { key, second, threshold, scale };
    for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (i64)gridDim.x * blockDim.x) mask[i] = factor(m, i);
}

#define OF_TYPE(T, name) \
    extern "C" __global__ void attend_##name(Pass pass, Attention x) { attend<T>(pass, x); } \
    extern "C" __global__ void attend_backward_queries_##name(Pass pass, Attention x) { attend_backward_queries<T>(pass, x); } \
    extern "C" __global__ void attend_backward_keys_##name(Pass pass, Attention x) { attend_backward_keys<T>(pass, x); } \
    extern "C" __global__ void attend_backward_positions_##name(Pass pass, Attention x) { attend_backward_positions<T>(pass, x); } \
    extern "C" __global__ void norm_##name(Pass pass, Norm x) { norm<T>(pass, x); } \
    extern "C" __global__ void norm_backward_##name(Pass pass, Norm x) { norm_backward<T>(pass, x); } \
    extern "C" __global__ void column_sums_##name(const void* matrices, float* sums, int rows, int columns, int rowsPerBlock) \
        { column_sums<T>(matrices, sums, rows, columns, rowsPerBlock); } \
    extern "C" __global__ void gelu_##name(const void* input, void* output, i64 count) { gelu<T>(input, output, count); } \
    extern "C" __global__ void gelu_backward_##name(void* input, void* gradient, float* sums, int rows, int columns, int rowsPerBlock) \
        { gelu_backward<T>(input, gradient, sums, rows, columns, rowsPerBlock); } \
    extern "C" __global__ void drop_rows_##name(Pass pass, const void* input, void* output, int rows, int columns, int areRelative, Drop drop) \
        { drop_rows<T, T>(pass, input, output, rows, columns, areRelative, drop); } \
    extern "C" __global__ void add_dropped_##name(Pass pass, const void* first, const void* second, float* sum, int columns, Drop drop) \
        { add_dropped<T>(pass, first, second, sum, columns, drop); } \
    extern "C" __global__ void drop_wide_rows_##name(Pass pass, const void* input, void* output, int rows, int columns, int areRelative, Drop drop) \
        { drop_rows<float, T>(pass, input, output, rows, columns, areRelative, drop); }

OF_TYPE(float, float32)
OF_TYPE(bfloat16, bfloat16)
OF_TYPE(float16, float16)
