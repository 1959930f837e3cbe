using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;

namespace NotebookRunner.Kernel;

/// <summary>Words what went wrong in a cell: faults underlined in their line, stack traces without the machinery of scripting.</summary>
internal static partial class ErrorReport
{
    private const int MostFaults = 20;

    /// <summary>All compile errors of a cell, each with its line underlined.</summary>
    public static CellError OfCompilation(IReadOnlyList<Diagnostic> faults)
    {
        var details = new StringBuilder();
        foreach (var fault in faults.Take(MostFaults))
        {
            AppendFault(details, fault);
        }

        if (faults.Count > MostFaults)
        {
            details.Append($"… and {faults.Count - MostFaults} more\n");
        }

        var first = faults[0];
        return new("compile error", $"{first.Id}: {first.GetMessage()}", LineOf(first), details.ToString().TrimEnd());
    }

    /// <summary>An exception that a cell let through.</summary>
    /// <param name="exception">What was thrown.</param>
    /// <param name="file">The file name of the cell that ran, to find the line in it.</param>
    public static CellError OfException(Exception exception, string file)
    {
        var cause = exception is AggregateException { InnerExceptions: [var only] } ? only : exception;
        var line = new StackTrace(exception, true).GetFrames().Concat(new StackTrace(cause, true).GetFrames()).FirstOrDefault(frame => Path.GetFileName(frame.GetFileName()) == file)?.GetFileLineNumber() ?? 0;
        var message = string.Join("\n → ", Chain(cause).Select((e, depth) => depth == 0 ? e.Message : $"{e.GetType().Name}: {e.Message}"));
        // The message stands above already, and may be long: only where it happened follows.
        var frames = cause.ToString().Split('\n').Where(line => Frame().IsMatch(line) && !Machinery().IsMatch(line)).Select(Readable);
        return new(cause.GetType().FullName!, message, line, string.Join('\n', frames));
    }

    private static string Readable(string frame) =>
        CellFile().Replace(SubmissionClass().Replace(SubmissionMethod().Replace(frame.TrimEnd(), "at top level"), "at "), "in cell $1, line $2");

    private static IEnumerable<Exception> Chain(Exception exception)
    {
        for (var current = exception; current is not null; current = current.InnerException)
        {
            yield return current;
        }
    }

    private static int LineOf(Diagnostic fault) => fault.Location.IsInSource ? fault.Location.GetLineSpan().StartLinePosition.Line + 1 : 0;

    private static void AppendFault(StringBuilder details, Diagnostic fault)
    {
        var span = fault.Location.GetLineSpan();
        details.Append($"line {LineOf(fault)}, column {span.StartLinePosition.Character + 1}: {fault.Id}: {fault.GetMessage()}\n");
        if (!fault.Location.IsInSource)
        {
            return;
        }

        var line = fault.Location.SourceTree!.GetText().Lines[span.StartLinePosition.Line].ToString();
        var start = Math.Min(span.StartLinePosition.Character, line.Length);
        var end = span.EndLinePosition.Line == span.StartLinePosition.Line ? Math.Min(span.EndLinePosition.Character, line.Length) : line.Length;
        details.Append($"    {line.Replace('\t', ' ')}\n    {new string(' ', start)}{new string('^', Math.Max(1, end - start))}\n");
    }

    [GeneratedRegex(@"^\s*(at |--- End of inner)")]
    private static partial Regex Frame();

    // Frames between the notebook's own: Roslyn's submission runner, task plumbing.
    [GeneratedRegex(@"^\s*(at Microsoft\.CodeAnalysis\.Scripting\.|at System\.Runtime\.(CompilerServices|ExceptionServices)\.|at Submission#\d+\.<Factory>|--- End of stack trace)")]
    private static partial Regex Machinery();

    [GeneratedRegex(@"at Submission#\d+\.<<Initialize>>d__\d+\.MoveNext\(\)")]
    private static partial Regex SubmissionMethod();

    [GeneratedRegex(@"at Submission#\d+\.")]
    private static partial Regex SubmissionClass();

    // The compiler puts the notebook's folder before the name; the cell says more.
    [GeneratedRegex(@"\bin \S*#cell-(\d+)\.cs:line (\d+)")]
    private static partial Regex CellFile();
}
