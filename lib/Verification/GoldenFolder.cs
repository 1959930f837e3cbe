using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Verification;

/// <summary>Small services for checks of numbers.</summary>
internal static class GoldenFolder
{
    /// <summary>Reads a file of tensors to where networks are.</summary>
    public static Dictionary<string, Tensor> Read(string path, VerifyOptions options) =>
        SafetensorsFile.ReadAll(path).ToDictionary(pair => pair.Key, pair => pair.Value.to(options.Device), StringComparer.Ordinal);

    /// <summary>The largest absolute difference of two tensors; NaN when shapes differ or a number is not finite.</summary>
    public static double Difference(Tensor actual, Tensor golden)
    {
        using var scope = NewDisposeScope();
        if (actual.numel() != golden.numel())
        {
            return double.NaN;
        }

        return actual.numel() == 0 ? 0 : (actual.detach().cpu().to(float64).flatten() - golden.cpu().to(float64).flatten()).abs().max().item<double>();
    }

    /// <summary>The folder itself when it holds a network, else the folders below it, by name.</summary>
    public static IReadOnlyList<string> Networks(string folder) =>
        File.Exists(Path.Combine(folder, "config.json")) ? [folder] : [.. Directory.GetDirectories(folder).Order(StringComparer.Ordinal)];

    /// <summary>The largest number; NaN when one is.</summary>
    public static double Largest(IEnumerable<double> values) => values.Aggregate(0.0, Math.Max);

    /// <summary>Rows of one golden; when it cannot be compared at all, one failed row, so that its neighbours are still checked.</summary>
    public static IEnumerable<CheckResult> Guard(string name, Func<IEnumerable<CheckResult>> check)
    {
#pragma warning disable CA1031 // Any failure is a finding of this table.
        try
        {
            return [.. check()];
        }
        catch (Exception error)
        {
            return [CheckResult.Failed(name, "comparable", $"{error.GetType().Name}: {error.Message}")];
        }
#pragma warning restore CA1031
    }
}
