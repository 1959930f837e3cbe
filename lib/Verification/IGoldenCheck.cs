using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Verification;

/// <summary>One kind of golden: knows a folder layout under <c>reference/</c> and compares this build with it.</summary>
public interface IGoldenCheck
{
    /// <summary>The folder's name under the root, for instance <c>model</c>.</summary>
    string FolderName { get; }

    /// <summary>Compares everything found in the folder; whatever is absent is not checked, whatever is present and unreadable is a failed row.</summary>
    /// <param name="folder">The existing folder <c>root/FolderName</c>.</param>
    /// <param name="options">What the user asked for.</param>
    /// <returns>Rows, as they are computed.</returns>
    IEnumerable<CheckResult> Check(string folder, VerifyOptions options);
}

/// <summary>Switches of a verification.</summary>
/// <param name="IncludeLarge">Also check goldens that need more than 8 GB of memory or minutes of time (deberta-v3-large).</param>
/// <param name="OnCuda">Compute on the first CUDA device; what has no network in it stays on the CPU.</param>
public sealed record VerifyOptions(bool IncludeLarge = false, bool OnCuda = false)
{
    // Other orders of addition than the CPU's, with TF32 off.
    private const double CudaFactor = 4;

    /// <summary>Where networks are.</summary>
    internal Device Device => OnCuda ? CUDA : CPU;

    /// <summary>What a difference of float32 numbers may be there.</summary>
    internal double Allow(double tolerance) => OnCuda ? CudaFactor * tolerance : tolerance;

    /// <summary>How to load a network.</summary>
    internal LoadOptions Loading(ScalarType dtype = ScalarType.Float32, bool isStrict = false) => new() { Dtype = dtype, IsStrict = isStrict, Device = Device };
}

/// <summary>One row of the table that <c>verify</c> prints.</summary>
/// <param name="Folder">The golden's folder below the root, for instance <c>model/v3-tiny</c>.</param>
/// <param name="Quantity">What was compared, for instance <c>gradients (float64)</c>.</param>
/// <param name="LargestDifference">The largest absolute difference, or for exact comparisons the number of cases that differ.</param>
/// <param name="Tolerance">The largest difference allowed; 0 for exact comparisons.</param>
/// <param name="Note">What was counted, or what went wrong, in a few words.</param>
public sealed record CheckResult(string Folder, string Quantity, double LargestDifference, double Tolerance, string Note = "")
{
    /// <summary>True when the difference is within the tolerance; a NaN never is.</summary>
    public bool IsOk => LargestDifference <= Tolerance;

    /// <summary>A row for goldens that could not be compared at all.</summary>
    public static CheckResult Failed(string folder, string quantity, string problem) => new(folder, quantity, double.NaN, 0, problem);
}
