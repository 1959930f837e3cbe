using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Verification;

/// <summary>Runs this build against goldens laid out as in <c>reference/</c>: what a user does once on a new machine.</summary>
public static class Verifier
{
    /// <summary>Every kind of golden that this build can check.</summary>
    public static IReadOnlyList<IGoldenCheck> Checks { get; } =
    [
        new TokenizerChecks(),
        new TokenizerJsonChecks(),
        new AlignmentChecks(),
        new MetricsChecks(),
        new ModelChecks(),
        new FullSizeChecks(),
        new PipelineChecks(),
        new Transformers5Checks(),
        new LoraChecks(),
        new PeftChecks(),
        new TrainingChecks(),
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

        return found.SelectMany(pair => Guarded(pair.check, pair.folder, options));
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
        var kernels = Kernels.Cuda.CudaProgram.Problem ?? "the layers' kernels were compiled for it";
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

    private static IEnumerable<CheckResult> Guarded(IGoldenCheck check, string folder, VerifyOptions options)
    {
        using var rows = check.Check(folder, options).GetEnumerator();
        while (true)
        {
            CheckResult row;
            try
            {
                if (!rows.MoveNext())
                {
                    yield break;
                }

                row = rows.Current;
            }
#pragma warning disable CA1031 // Any failure is a finding of this table, and the other goldens still deserve their turn.
            catch (Exception error)
#pragma warning restore CA1031
            {
                row = CheckResult.Failed(check.FolderName, "readable", $"{error.GetType().Name}: {error.Message}");
            }

            yield return row;
            if (double.IsNaN(row.LargestDifference) && row.Quantity == "readable")
            {
                yield break;
            }
        }
    }
}
