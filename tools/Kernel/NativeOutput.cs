using System.Runtime.InteropServices;
using System.Text;

namespace NotebookRunner.Kernel;

/// <summary>
/// Native code and processes that a cell starts write to the real standard streams, which the parent reads beside the pipe.
/// A marker line at the end of each cell tells the parent which cell such text belongs to.
/// </summary>
internal sealed partial class NativeOutput(string marker)
{
    private readonly Stream[] _streams = [Console.OpenStandardOutput(), Console.OpenStandardError()];
    private readonly byte[] _marker = Encoding.ASCII.GetBytes(marker + "\n");

    /// <summary>Marks both streams, after flushing what C's standard library holds back.</summary>
    public void MarkEndOfCell()
    {
        if (!OperatingSystem.IsWindows())
        {
            _ = FlushAll(0);
        }

        foreach (var stream in _streams)
        {
            stream.Write(_marker);
            stream.Flush();
        }
    }

    [LibraryImport("libc", EntryPoint = "fflush")]
    private static partial int FlushAll(nint everyStream);
}
