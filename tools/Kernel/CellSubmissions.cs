using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.CodeAnalysis.Scripting;
using Microsoft.DotNet.Interactive.Commands;
using Microsoft.DotNet.Interactive.CSharp;

namespace NotebookRunner.Kernel;

/// <summary>
/// Gives each C# submission a file name, so that errors tell cell and line. A cell with magic commands reaches the compiler in parts, without the lines of
/// those commands: the parts' lines are found again in the cell.
/// </summary>
internal sealed class CellSubmissions
{
    private readonly CSharpKernel _kernel;
    private readonly Dictionary<string, int[]> _linesByFile = new(StringComparer.Ordinal);
    private string _file = "before.cs";
    private string[] _lines = [];
    private int _parts;

    public CellSubmissions(CSharpKernel kernel)
    {
        _kernel = kernel;
        kernel.AddMiddleware((command, context, next) =>
        {
            if (command is SubmitCode submission)
            {
                Name(submission.Code);
            }

            return next(command, context);
        });
    }

    /// <summary>Announces the cell whose submissions follow.</summary>
    /// <param name="file">Its name, for instance <c>demo.dib#cell-7.cs</c>.</param>
    /// <param name="code">Its whole text.</param>
    public void Begin(string file, string code) => (_file, _lines, _parts) = (file, [.. code.Split('\n').Select(line => line.Trim())], 0);

    /// <summary>The line of the cell (from 1) behind a line of a submission; 0 when the file is no cell's or the line is not the cell's own.</summary>
    public int CellLine(string? file, int line) =>
        _linesByFile.TryGetValue(Path.GetFileName(file) ?? "", out var lines) && line >= 1 && line <= lines.Length ? lines[line - 1] : 0;

    private void Name(string code)
    {
        var name = _file[..^".cs".Length] + $"-{++_parts}.cs";
        _linesByFile[name] = Find(code.Split('\n'));
        // The kernel's compiler options have no public door. The package is archived: this field will not change, and a test looks at the lines of errors.
        ref var options = ref OptionsOf(_kernel);
        options = options.WithFilePath(name).WithEmitDebugInformation(true).WithFileEncoding(Encoding.UTF8);
    }

    private int[] Find(string[] part)
    {
        var at = 0;
        return [.. part.Select(line =>
        {
            var text = line.Trim();
            var found = text.Length == 0 ? -1 : Array.IndexOf(_lines, text, at);
            at = found < 0 ? at : found + 1;
            return found + 1;
        })];
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_scriptOptions")]
    private static extern ref ScriptOptions OptionsOf(CSharpKernel kernel);
}
