using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Scripting;
using Microsoft.DotNet.Interactive;
using Microsoft.DotNet.Interactive.Events;
using Diagnostic = Microsoft.CodeAnalysis.Diagnostic;

namespace NotebookRunner.Kernel;

/// <summary>Words what went wrong in a cell: faults underlined in their line, stack traces without the machinery of scripting.</summary>
/// <param name="cells">Knows which lines the compiler was given.</param>
internal sealed partial class ErrorReport(CellSubmissions cells)
{
    private const int MostFaults = 20;

    /// <summary>The error of a failed cell.</summary>
    public CellError Of(CommandFailed failed) => failed.Exception switch
    {
        CodeSubmissionCompilationErrorException { InnerException: CompilationErrorException compilation } =>
            OfCompilation([.. compilation.Diagnostics.Where(fault => fault.Severity == DiagnosticSeverity.Error)]),
        { } exception => OfException(exception),
        null => OfMessage(failed.Message),
    };

    /// <summary>What a magic command or a package restore says, without the position in a text that the user does not see.</summary>
    private static CellError OfMessage(string message) => Positioned().Match(message) is { Success: true } match
        ? new("magic command", message[match.Length..], int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture), "")
        : new("failed", message, 0, "");

    /// <summary>All compile errors of a cell, each with its line underlined.</summary>
    private CellError OfCompilation(IReadOnlyList<Diagnostic> faults)
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
    public CellError OfException(Exception exception)
    {
        var cause = exception is AggregateException { InnerExceptions: [var only] } ? only : exception;
        var line = new StackTrace(exception, true).GetFrames().Concat(new StackTrace(cause, true).GetFrames())
            .Select(frame => cells.CellLine(frame.GetFileName(), frame.GetFileLineNumber())).FirstOrDefault(found => found > 0);
        var message = string.Join("\n → ", Chain(cause).Select((e, depth) => depth == 0 ? e.Message : $"{e.GetType().Name}: {e.Message}"));
        // The message stands above already, and may be long: only where it happened follows.
        var frames = cause.ToString().Split('\n').Where(line => Frame().IsMatch(line) && !Machinery().IsMatch(line)).Select(Readable);
        return new(cause.GetType().FullName!, message, line, string.Join('\n', frames));
    }

    private string Readable(string frame) => CellFile().Replace(
        SubmissionClass().Replace(SubmissionMethod().Replace(frame.TrimEnd(), "at top level"), "at "),
        place => $"in cell {place.Groups["cell"].ValueSpan}, line "
            + $"{cells.CellLine(place.Groups["file"].Value, int.Parse(place.Groups["line"].ValueSpan, CultureInfo.InvariantCulture))}");

    private static IEnumerable<Exception> Chain(Exception exception)
    {
        for (var current = exception; current is not null; current = current.InnerException)
        {
            yield return current;
        }
    }

    private int LineOf(Diagnostic fault) =>
        fault.Location.IsInSource ? cells.CellLine(fault.Location.SourceTree!.FilePath, fault.Location.GetLineSpan().StartLinePosition.Line + 1) : 0;

    private void AppendFault(StringBuilder details, Diagnostic fault)
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
    [GeneratedRegex(
        @"^\s*(at Microsoft\.CodeAnalysis\.Scripting\.|at System\.Runtime\.(CompilerServices|ExceptionServices)\.|at Submission#\d+\.<Factory>|--- End of stack trace)")]
    private static partial Regex Machinery();

    [GeneratedRegex(@"at Submission#\d+\.<<Initialize>>d__\d+\.MoveNext\(\)")]
    private static partial Regex SubmissionMethod();

    [GeneratedRegex(@"at Submission#\d+\.")]
    private static partial Regex SubmissionClass();

    // The compiler puts the notebook's folder before the name; the cell says more.
    [GeneratedRegex(@"\bin (?<file>.*#cell-(?<cell>\d+)-\d+\.cs):line (?<line>\d+)", RegexOptions.ExplicitCapture)]
    private static partial Regex CellFile();

    [GeneratedRegex(@"^\((\d+),\d+\): error DNI\d+: ")]
    private static partial Regex Positioned();
}
