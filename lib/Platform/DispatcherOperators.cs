using System.IO.Compression;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Platform;

/// <summary>
/// libtorch operators that TorchSharp does not wrap and that TorchScript source text cannot name (<c>ops.mkldnn.…</c>).
/// A serialised TorchScript module can name any operator of the dispatcher, so a constant one is built in memory and loaded once.
/// Unlike a script compiled from text, a wrong name here throws instead of ending the process.
/// </summary>
/// <remarks>Archive layout: libtorch 2.10, torch/csrc/jit/serialization/import.cpp; operators: aten/src/ATen/native/mkldnn/Linear.cpp.</remarks>
internal static class DispatcherOperators
{
    // M rows, N output width, K input width.
    private const string Code = """
        class Operators(Module):
          __parameters__ = []
          __buffers__ = []
          training : bool
          _is_full_backward_hook : Optional[bool]
          def linear(self: __torch__.Operators, x: Tensor, weight: Tensor, bias: Optional[Tensor]) -> Tensor:
            _0 = annotate(List[Optional[number]], [])
            _1 = ops.mkldnn._linear_pointwise(x, weight, bias, "none", _0, "")
            return _1
          def linear_gelu(self: __torch__.Operators, x: Tensor, weight: Tensor, bias: Optional[Tensor]) -> Tensor:
            _0 = annotate(List[Optional[number]], [])
            _1 = ops.mkldnn._linear_pointwise(x, weight, bias, "gelu", _0, "none")
            return _1
          def pack(self: __torch__.Operators, weight: Tensor) -> Tensor:
            _0 = ops.mkldnn._reorder_linear_weight(weight, None)
            return _0

        """;

    // A product of bytes. 1. and 0: the scale of the rows, which differs from row to row and is ours to apply, and the output's; 6 and 15: float32, bfloat16.
    private const string Int8Code = """
        class Operators(Module):
          __parameters__ = []
          __buffers__ = []
          training : bool
          _is_full_backward_hook : Optional[bool]
          def pack(self: __torch__.Operators, weight: Tensor) -> Tensor:
            _0 = ops.onednn.qlinear_prepack(weight, None)
            return _0
          def linear(self: __torch__.Operators, x: Tensor, zero: int, weight: Tensor, scales: Tensor, zeros: Tensor) -> Tensor:
            _0 = annotate(List[Optional[number]], [])
            _1 = ops.onednn.qlinear_pointwise(x, 1., zero, weight, scales, zeros, None, 1., 0, 6, "none", _0, "")
            return _1
          def linear_half(self: __torch__.Operators, x: Tensor, zero: int, weight: Tensor, scales: Tensor, zeros: Tensor) -> Tensor:
            _0 = annotate(List[Optional[number]], [])
            _1 = ops.onednn.qlinear_pointwise(x, 1., zero, weight, scales, zeros, None, 1., 0, 15, "none", _0, "")
            return _1

        """;

    // Pickle, protocol 2: an Operators object with training = False, _is_full_backward_hook = None.
    private static readonly byte[] ObjectPickle =
        [.. "\u0080\u0002c__torch__\nOperators\nq\0)\u0081}q\u0001(X\u0008\0\0\0trainingq\u0002\u0089X\u0016\0\0\0_is_full_backward_hookq\u0003Nub."
        .Select(c => (byte)c)];

    private static readonly byte[] EmptyTuplePickle = [0x80, 2, (byte)')', (byte)'.'];

    private static readonly Lazy<(jit.ScriptModule? Module, string? Problem)> Loaded = new(Load);

    private static readonly Lazy<(jit.ScriptModule? Module, string? Problem)> LoadedInt8 = new(LoadInt8);

    private static readonly System.Collections.Concurrent.ConcurrentDictionary<(ScalarType, long, long, int), bool> s_isPackable = new();

    /// <summary>True when oneDNN's linear layer answers on this machine with the numbers of libtorch's own.</summary>
    public static bool HasOneDnnLinear => Loaded.Value.Module is not null;

    private static readonly Lazy<bool> s_takesBFloat16 = new(TriesBFloat16);

    /// <summary>Whether <see cref="Linear"/> takes bfloat16 here: for processors without instructions for it oneDNN has no such product.</summary>
    public static bool TakesBFloat16 => HasOneDnnLinear && s_takesBFloat16.Value;

    private static bool TriesBFloat16()
    {
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        try
        {
            _ = Linear(ones(3, 4, bfloat16), ones(2, 4, bfloat16), null);
            return true;
        }
        catch (System.Runtime.InteropServices.ExternalException)
        {
            return false;
        }
    }

    /// <summary>Why <see cref="HasOneDnnLinear"/> is false, or null.</summary>
    public static string? Problem => Loaded.Value.Problem;

    /// <summary>
    /// x · weightᵀ + bias through oneDNN, without gradient. On AMD processors libtorch's float32 path (MKL, AVX2) reaches less than half of its speed.
    /// Any strides are accepted: a transposed view costs nothing extra.
    /// </summary>
    /// <param name="x">Input, [M, K], float32 or bfloat16 on the CPU.</param>
    /// <param name="weight">Weight, [N, K], or what <see cref="PackLinearWeight"/> made of it.</param>
    /// <param name="bias">Bias, [N], or null.</param>
    /// <returns>Output, [M, N].</returns>
    /// <exception cref="NotSupportedException">The operator is missing here; see <see cref="Problem"/>.</exception>
    public static Tensor Linear(Tensor x, Tensor weight, Tensor? bias) => (Tensor)Module.invoke("linear", x, weight, bias!);

    /// <summary>gelu(x · weightᵀ + bias), the exact GELU applied while the product is still in registers.</summary>
    /// <inheritdoc cref="Linear" path="/param"/>
    /// <inheritdoc cref="Linear" path="/returns"/>
    /// <inheritdoc cref="Linear" path="/exception"/>
    public static Tensor LinearGelu(Tensor x, Tensor weight, Tensor? bias) => (Tensor)Module.invoke("linear_gelu", x, weight, bias!);

    /// <summary>Rearranges a weight once for many products; the result serves <see cref="Linear"/> only.</summary>
    /// <param name="weight">Weight, [N, K], contiguous, without gradient.</param>
    /// <returns>
    /// An opaque tensor of the same size; a handle of the weight itself where products with the rearranged one are wrong. libtorch 2.10 gives such for an N
    /// that is a multiple of 16 but not of 64 (48, 80, 96, 160 …) in float32 on a processor with AVX-512, and which of them are wrong depends on the number of
    /// threads, so every shape is tried once with each.
    /// </returns>
    /// <exception cref="NotSupportedException">The operator is missing here; see <see cref="Problem"/>.</exception>
    public static Tensor PackLinearWeight(Tensor weight)
    {
        return s_isPackable.GetOrAdd((weight.dtype, weight.shape[0], weight.shape[1], get_num_threads()), _ => IsRightWhenPacked(weight))
            ? (Tensor)Module.invoke("pack", weight) : weight.alias();
    }

    private static bool IsRightWhenPacked(Tensor weight)
    {
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        var known = arange(weight.numel(), float32).sin().view(weight.shape).to(weight.dtype);
        // Few rows and many: the kernel that is taken, and with it how it sees the weight, depends on their number.
        return new long[] { 3, 300 }.All(rows =>
        {
            var x = arange(rows * weight.shape[1], float32).cos().view(rows, -1).to(weight.dtype);
            var expected = Linear(x, known, null).to(float32);
            var difference = (Linear(x, (Tensor)Module.invoke("pack", known), null).to(float32) - expected).abs().max().item<float>();
            // bfloat16 has 8 bits of mantissa; a wrong product is off by as much as the numbers themselves.
            return difference <= 0.05f * expected.abs().max().item<float>();
        });
    }

    /// <summary>Why products of bytes cannot be had here, or are not right here; null when they are.</summary>
    public static string? Int8Problem => LoadedInt8.Value.Problem;

    /// <summary>Rearranges a weight for <see cref="LinearInt8"/>.</summary>
    /// <param name="weight">[N, K], int8, contiguous.</param>
    /// <returns>An opaque tensor.</returns>
    /// <exception cref="NotSupportedException">See <see cref="Int8Problem"/>.</exception>
    public static Tensor PackInt8Weight(Tensor weight) => (Tensor)Int8Module.invoke("pack", weight);

    /// <summary>((x − zero) · weightᵀ) · scales: whole numbers, summed up in int32, then rounded once to the result's type and times the scale.</summary>
    /// <param name="x">[M, K], uint8.</param>
    /// <param name="zero">What stands for 0 in x.</param>
    /// <param name="weight">What <see cref="PackInt8Weight"/> made.</param>
    /// <param name="scales">Of the weight's rows, [N], float32.</param>
    /// <param name="zeros">What stands for 0 in them: [N] times 0, int32.</param>
    /// <param name="type">float32 or bfloat16.</param>
    /// <returns>[M, N].</returns>
    /// <exception cref="NotSupportedException">See <see cref="Int8Problem"/>.</exception>
    public static Tensor LinearInt8(Tensor x, int zero, Tensor weight, Tensor scales, Tensor zeros, ScalarType type) =>
        (Tensor)Int8Module.invoke(type == ScalarType.BFloat16 ? "linear_half" : "linear", x, zero, weight, scales, zeros);

    private static jit.ScriptModule Int8Module => LoadedInt8.Value.Module ?? throw new NotSupportedException(Int8Problem);

    private static (jit.ScriptModule?, string?) LoadInt8()
    {
        NativeLibraries.EnsureLoaded();
        try
        {
            var module = jit.load(Archive(Int8Code), DeviceType.CPU);
            using var scope = NewDisposeScope();
            using var noGradients = no_grad();
            // The largest sums: without VNNI's instructions pairs of products are added up in 16 bits, which these exceed.
            const int width = 64, zero = 128;
            var weight = full([2, width], 127, int8);
            weight[1].neg_();
            var x = full([3, width], 255, uint8);
            var product = ((Tensor)module.invoke("linear", x, zero, (Tensor)module.invoke("pack", weight), ones(2), zeros(2, int32))).data<float>().ToArray();
            const float expected = 127 * 127 * width;
            return Array.TrueForAll(product, value => MathF.Abs(value) == expected) && product[0] == -product[1]
                ? (module, null)
                : (null, Invariant($"This processor has no products of bytes that keep their sums (VNNI: AVX-512 VNNI or AVX-VNNI): {width} · 127 · 127 gives ")
                    + Invariant($"{product[0]} instead of {expected}."));
        }
        catch (Exception error) when (error is System.Runtime.InteropServices.ExternalException or InvalidOperationException)
        {
            return (null, $"This libtorch has no onednn::qlinear_pointwise ({error.Message.Split('\n')[0]}), with which bytes are multiplied.");
        }
    }

    private static jit.ScriptModule Module => Loaded.Value.Module ?? throw new NotSupportedException(Problem);

    private static (jit.ScriptModule?, string?) Load()
    {
        NativeLibraries.EnsureLoaded();
        try
        {
            var module = jit.load(Archive(Code), DeviceType.CPU);
            using var scope = NewDisposeScope();
            using var noGradients = no_grad();
            Tensor x = arange(12, float32).view(3, 4), weight = arange(8, float32).view(2, 4), bias = ones(2);
            var difference = ((Tensor)module.invoke("linear", x, weight, bias) - nn.functional.linear(x, weight, bias)).abs().max().item<float>();
            return difference < 1e-4
                ? (module, null) : (null, Invariant($"oneDNN's linear layer differs from libtorch's by {difference} in a 3×4 by 4×2 product."));
        }
        catch (Exception error) when (error is System.Runtime.InteropServices.ExternalException or InvalidOperationException)
        {
            return (null, $"This libtorch has no mkldnn::_linear_pointwise ({error.Message.Split('\n')[0]}); float32 products take its slower default path.");
        }
    }

    private static byte[] Archive(string code)
    {
        using var stream = new MemoryStream();
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            Add("operators/code/__torch__.py", System.Text.Encoding.ASCII.GetBytes(code));
            Add("operators/data.pkl", ObjectPickle);
            Add("operators/constants.pkl", EmptyTuplePickle);
            Add("operators/version", "3\n"u8.ToArray());

            void Add(string name, byte[] content)
            {
                using var entry = zip.CreateEntry(name, CompressionLevel.NoCompression).Open();
                entry.Write(content);
            }
        }

        return stream.ToArray();
    }
}
