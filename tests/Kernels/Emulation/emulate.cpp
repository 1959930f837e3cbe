// Runs lib/Kernels/Cuda/layers.cu on the CPU: every block as fibers, one a thread, which meet at barriers as the threads of a card do. Slow, and the same arithmetic.
//   g++ -std=c++17 -O1 -shared -fPIC -DSOURCE='"…/layers.cu"' emulate.cpp -o libemulated.so
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#define __device__
#define __global__
#define __forceinline__ inline
#define __shared__ static
#define __align__(n) __attribute__((aligned(n)))
using std::min;
using std::max;

struct Index { unsigned x, y, z; };
static Index threadIdx, blockIdx, blockDim, gridDim;

// Changes stacks, without the system calls of swapcontext: what a function may expect to find again is on the stack it leaves. System V ABI, x86-64.
extern "C" void change_stack(void** from, void* to);
asm(R"(
.text
.globl change_stack
.type change_stack, @function
change_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");

namespace emulation
{
enum class State { Ready, AtWarp, AtBlock, Done };
struct Fiber { void* top; std::vector<char> stack; State state; };
static std::vector<Fiber> fibers;
static void* scheduler;
static unsigned current;
static float exchanged[1024];
static void (*body)(void**);
static void** arguments;

static void wait(State state)
{
    fibers[current].state = state;
    change_stack(&fibers[current].top, scheduler);
}

static void enter()
{
    body(arguments);
    wait(State::Done);
}

// Everybody of fibers[first … last) who is not done waits in this state: let them go on.
static bool release(unsigned first, unsigned last, State state)
{
    bool any = false;
    for (unsigned i = first; i < last; i++)
    {
        if (fibers[i].state == State::Done) continue;
        if (fibers[i].state != state) return false;
        any = true;
    }

    for (unsigned i = first; any && i < last; i++)
        if (fibers[i].state == state) fibers[i].state = State::Ready;
    return any;
}

static void run_block(unsigned threads)
{
    if (fibers.size() < threads) fibers.resize(threads);
    for (unsigned i = 0; i < threads; i++)
    {
        Fiber& f = fibers[i];
        f.stack.resize(128 << 10);
        // As change_stack leaves a stack: six registers, the address to return to; sixteen-byte places, as a call would have them.
        void** end = (void**)(((uintptr_t)f.stack.data() + f.stack.size()) & ~(uintptr_t)15);
        end[-2] = (void*)enter;
        f.top = end - 8;
        f.state = State::Ready;
    }

    for (bool going = true; going;)
    {
        going = false;
        for (unsigned i = 0; i < threads; i++)
        {
            if (fibers[i].state != State::Ready) continue;
            current = i;
            threadIdx = { i, 0, 0 };
            change_stack(&scheduler, fibers[i].top);
            going = true;
        }

        for (unsigned w = 0; w < threads; w += 32) going |= release(w, min(w + 32, threads), State::AtWarp);
        if (!going) going = release(0, threads, State::AtBlock);
    }
}
}

static void __syncthreads() { emulation::wait(emulation::State::AtBlock); }

static float __shfl_xor_sync(unsigned, float x, int step)
{
    unsigned own = threadIdx.x;
    emulation::exchanged[own] = x;
    emulation::wait(emulation::State::AtWarp);
    float other = emulation::exchanged[own ^ step];
    emulation::wait(emulation::State::AtWarp);
    threadIdx = { own, 0, 0 };
    return other;
}

static float __uint_as_float(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }
static uint32_t __float_as_uint(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }
static float half_to_float(unsigned short h) { _Float16 f; memcpy(&f, &h, 2); return (float)f; }
static unsigned short float_to_half(float x) { _Float16 f = (_Float16)x; unsigned short h; memcpy(&h, &f, 2); return h; }

#include SOURCE

template <typename... A, size_t... I> static void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) { kernel(*(A*)arguments[I]...); }
template <typename... A> static void call(void (*kernel)(A...), void** arguments) { call(kernel, arguments, std::index_sequence_for<A...>()); }

#define KERNELS(X) \
    X(half_hash_mask) X(stream_mask) X(column_totals) \
    OF(X, float32) OF(X, bfloat16) OF(X, float16)
#define OF(X, t) \
    X(attend_##t) X(attend_backward_queries_##t) X(attend_backward_keys_##t) X(attend_backward_positions_##t) X(norm_##t) X(norm_backward_##t) X(gelu_##t) X(gelu_backward_##t) \
    X(drop_rows_##t) X(drop_wide_rows_##t) X(column_sums_##t) X(add_dropped_##t)

extern "C" int emulate(const char* name, int x, int y, int z, int threads, void** arguments)
{
    emulation::body = nullptr;
#define FIND(k) if (!strcmp(name, #k)) emulation::body = [](void** a) { call(k, a); };
    KERNELS(FIND)
    if (!emulation::body) return 1;
    emulation::arguments = arguments;
    gridDim = { (unsigned)x, (unsigned)y, (unsigned)z };
    blockDim = { (unsigned)threads, 1, 1 };
    for (int k = 0; k < z; k++)
        for (int j = 0; j < y; j++)
            for (int i = 0; i < x; i++)
            {
                blockIdx = { (unsigned)i, (unsigned)j, (unsigned)k };
                emulation::run_block((unsigned)threads);
            }
    return 0;
}
