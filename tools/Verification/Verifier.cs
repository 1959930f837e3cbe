extern alias lib;

using lib::NotebookLib.Kernels.Cuda;
using lib::NotebookLib.Model;
using lib::NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookRunner.Verification;

/// <summary>Runs this build against goldens laid out as in <c>reference/</c>: what a user does once on a new machine.</summary>
internal static class Verifier
{
    /// <summary>Every kind of golden that this build can check.</summary>
    public static IReadOnlyList<GoldenCheck> Checks { get; } =
    [
        TokenizerChecks.Golden,
        TokenizerJsonChecks.Golden,
        AlignmentChecks.Golden,
        MetricsChecks.Golden,
        ModelChecks.Golden,
        FullSizeChecks.Golden,
        PipelineChecks.Golden,
        Transformers5Checks.Golden,
        LoraChecks.Golden,
        PeftChecks.Golden,
        TrainingChecks.Golden,
    ];

    /// <summary>Checks every known folder below a root, or the root itself when it carries the name of one (<c>…/tokenizer</c>).</summary>
    /// <param name="root">A folder laid out as <c>reference/</c>.</param>
    /// <param name="options">What to include.</param>
    /// <returns>Rows, as they are computed; a check that throws becomes a failed row, so that the others still run.</returns>
    /// <exception cref="DirectoryNotFoundException">The folder is missing, or holds none of the known folders.</exception>
    /// <exception cref="PlatformNotSupportedException">The native libraries are missing or ask for a newer system, or a CUDA device is asked for and there is
    /// none.</exception>
    public static IEnumerable<CheckResult> Run(string root, VerifyOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        NativeLibraries.EnsureLoaded();
        if (options.OnCuda)
        {
            EnsureCuda();
        }

        var full = Path.GetFullPath(root);
        if (!Directory.Exists(full))
        {
            throw new DirectoryNotFoundException($"{full}: no such folder; expected one laid out like reference/, with {KnownNames} in it.");
        }

        var found = Checks.Where(check => check.FolderName == Path.GetFileName(Path.TrimEndingDirectorySeparator(full))).Select(check => (check, folder: full))
            .ToList();
        if (found.Count == 0)
        {
            found = [.. Checks.Select(check => (check, folder: Path.Combine(full, check.FolderName))).Where(pair => Directory.Exists(pair.folder))];
        }

        if (found.Count == 0)
        {
            throw new DirectoryNotFoundException($"{full}: holds none of the folders that can be verified: {KnownNames}.");
        }

        return found.SelectMany(pair => pair.check.Run(pair.folder, options));
    }

    /// <summary>What the numbers are computed with: libtorch, and the CUDA device where that is asked for.</summary>
    /// <inheritdoc cref="Run" path="/exception[@cref='PlatformNotSupportedException']"/>
    public static string Describe(VerifyOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (!options.OnCuda)
        {
            return $"CPU, {NativeLibraries.TorchVersion}";
        }

        EnsureCuda();
        var kernels = CudaProgram.Problem ?? "the layers' kernels were compiled for it";
        return $"{CudaCard.First?.ToString() ?? "CUDA device"}, {NativeLibraries.TorchVersion}, TF32 off; {kernels}";
    }

    private static void EnsureCuda()
    {
        if (!cuda.is_available())
        {
            throw new PlatformNotSupportedException($"No CUDA device can be used: {(CudaCard.First is { } card
                ? $"this machine has {card}, but {NativeLibraries.TorchVersion} in {NativeLibraries.TorchFolder} was built without CUDA. "
                    + $"Name one that has it: {NativeLibraries.Setting}=…/torch/lib."
                : "NVIDIA's driver shows no card on this machine. Leave --device out to verify on the CPU.")}");
        }

        // Products of float32 with all of its digits.
        backends.cuda.matmul.allow_tf32 = false;
    }

    private static string KnownNames => string.Join(", ", Checks.Select(check => check.FolderName));
}

/// <summary>One kind of golden.</summary>
/// <param name="FolderName">Its folder's name under the root, for instance <c>model</c>.</param>
/// <param name="Compare">
/// Compares everything found in the folder, row by row as they are computed: whatever is absent is not checked, whatever is present and unreadable is a
/// failed row.
/// </param>
/// <param name="Absent">What is missing in a folder that gives no row at all; null where nothing must be there.</param>
internal sealed record GoldenCheck(string FolderName, Func<string, VerifyOptions, IEnumerable<CheckResult>> Compare, string? Absent = null)
{
    /// <summary>
    /// Compares a folder with this build; a comparison that throws ends with a failed row, and one that found nothing has one if something must be there.
    /// </summary>
    /// <param name="folder">The existing folder <c>root/FolderName</c>.</param>
    /// <param name="options">What the user asked for.</param>
    public IEnumerable<CheckResult> Run(string folder, VerifyOptions options)
    {
        // What throws before the first row is asked for is caught below as well.
        using var rows = Enumerable.Repeat(folder, 1).SelectMany(there => Compare(there, options)).GetEnumerator();
        var (count, isBroken) = (0, false);
        while (!isBroken)
        {
            CheckResult row;
            try
            {
                if (!rows.MoveNext())
                {
                    break;
                }

                row = rows.Current;
            }
#pragma warning disable CA1031 // Any failure is a finding of this table, and the other goldens still deserve their turn.
            catch (Exception error)
#pragma warning restore CA1031
            {
                row = CheckResult.Failed(FolderName, "readable", $"{error.GetType().Name}: {error.Message}");
                isBroken = true;
            }

            count++;
            yield return row;
        }

        if (count == 0 && Absent is not null)
        {
            yield return CheckResult.Failed(FolderName, "cases", Absent);
        }
    }
}

/// <summary>Switches of a verification.</summary>
/// <param name="IncludeLarge">Also check goldens that need more than 8 GB of memory or minutes of time (deberta-v3-large).</param>
/// <param name="OnCuda">Compute on the first CUDA device; what has no network in it stays on the CPU.</param>
internal sealed record VerifyOptions(bool IncludeLarge = false, bool OnCuda = false)
{
    // Other orders of addition than the CPU's, with TF32 off.
    private const double CudaFactor = 4;

    /// <summary>Where networks are.</summary>
    public Device Device => OnCuda ? CUDA : CPU;

    /// <summary>What a difference of float32 numbers may be there.</summary>
    public double Allow(double tolerance) => OnCuda ? CudaFactor * tolerance : tolerance;

    /// <summary>How to load a network.</summary>
    public LoadOptions Loading(ScalarType dtype = ScalarType.Float32, bool isStrict = false) => new() { Dtype = dtype, IsStrict = isStrict, Device = Device };
}

/// <summary>One row of the table that <c>verify</c> prints.</summary>
/// <param name="Folder">The golden's folder below the root, for instance <c>model/v3-tiny</c>.</param>
/// <param name="Quantity">What was compared, for instance <c>gradients (float64)</c>.</param>
/// <param name="LargestDifference">The largest absolute difference, or for exact comparisons the number of cases that differ.</param>
/// <param name="Tolerance">The largest difference allowed; 0 for exact comparisons.</param>
/// <param name="Note">What was counted, or what went wrong, in a few words.</param>
internal sealed record CheckResult(string Folder, string Quantity, double LargestDifference, double Tolerance, string Note = "")
{
    /// <summary>True when the difference is within the tolerance; a NaN never is.</summary>
    public bool IsOk => LargestDifference <= Tolerance;

    /// <summary>A row for goldens that could not be compared at all.</summary>
    public static CheckResult Failed(string folder, string quantity, string problem) => new(folder, quantity, double.NaN, 0, problem);
}
