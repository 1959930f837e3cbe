using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace NotebookLib.Training;

/// <summary>A hash over training rows: a run is continued on the same rows or not at all.</summary>
internal static class RowFingerprint
{
    /// <summary>Count and XxHash128 of ids and labels in order.</summary>
    public static string Of(IEnumerable<(int[] Ids, int[] Labels)> rows)
    {
        var hash = new XxHash128();
        var count = 0;
        foreach (var (ids, labels) in rows)
        {
            count++;
            hash.Append(MemoryMarshal.AsBytes([ids.Length, labels.Length]));
            hash.Append(MemoryMarshal.AsBytes(ids.AsSpan()));
            hash.Append(MemoryMarshal.AsBytes(labels.AsSpan()));
        }

        return $"{count}-{Convert.ToHexStringLower(hash.GetCurrentHash())}";
    }
}
