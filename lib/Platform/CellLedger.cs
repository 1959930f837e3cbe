using System.Collections;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace NotebookLib.Platform;

/// <summary>
/// In an editor's kernel: remembers which cell makes which name, and refuses a cell that needs a name whose cell failed, was stopped or never ran, by a
/// sentence that says which cell to run. Without it such a cell finds null (the kernel keeps the variables of a cell that failed) or does not compile. The
/// kernel and its compiler are reached late-bound, since this library references neither (dotnet/interactive 098a01b
/// src/Microsoft.DotNet.Interactive.CSharp/CSharpKernel.cs).
/// </summary>
internal sealed partial class CellLedger
{
    private const int LongestLine = 90;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private static readonly ConditionalWeakTable<object, CellLedger> Attached = [];

    private readonly dynamic _kernel;
    private readonly string _folder = Environment.CurrentDirectory;
    private readonly Dictionary<string, Submission> _makers = new(StringComparer.Ordinal);
    private readonly HashSet<string> _seen = new(StringComparer.Ordinal);
    private (object Context, Task Ending)? _running;

    private CellLedger(object kernel) => _kernel = kernel;

    /// <summary>
    /// Begins to watch the kernel whose cell is running, once; does nothing in the runner, which ends at the first cell that fails, and outside a kernel.
    /// </summary>
    public static void Attach()
    {
        if (HostWords.IsRunner || InteractiveKernel.Find() is not { } interactive || InteractiveKernel.RunningCell(interactive) is not { } cell)
        {
            return;
        }

        var kernel = InteractiveKernel.CellType(interactive)!.GetProperty("HandlingKernel")?.GetValue(cell);
        var middleware = interactive.GetType("Microsoft.DotNet.Interactive.KernelCommandPipelineMiddleware");
        var add = kernel?.GetType().GetMethod("AddMiddleware");
        if (kernel?.GetType().GetProperty("ScriptState") is null || middleware is null || add is null)
        {
            return;
        }

        lock (Attached)
        {
            if (!Attached.TryGetValue(kernel, out _))
            {
                var ledger = new CellLedger(kernel);
                var handle = Delegate.CreateDelegate(middleware, ledger, ((Func<object, object, Delegate, Task>)ledger.HandleAsync).Method);
                Attached.Add(kernel, ledger);
                add.Invoke(kernel, [handle, nameof(CellLedger)]);
            }
        }
    }

    private async Task HandleAsync(object command, object context, Delegate next)
    {
        if (command.GetType().Name != "SubmitCode")
        {
            await (Task)next.DynamicInvoke(command, context)!;
            return;
        }

        await WaitForStoppedAsync(context);
        var submission = Look((string)((dynamic)command).Code);
        if (submission?.Refusal is { } refusal)
        {
            ((dynamic)context).Fail((dynamic)command, null, refusal);
            return;
        }

        object? before = _kernel.ScriptState;
        var running = (Task)next.DynamicInvoke(command, context)!;
        _running = (context, running);
        await running;
        if (submission is not null)
        {
            // A cell that failed leaves a state with its exception; one that did not compile or was stopped before its end leaves none.
            object? after = _kernel.ScriptState;
            submission.EndedWell = after is not null && !ReferenceEquals(before, after) && ((dynamic)after).Exception is null;
        }
    }

    /// <summary>
    /// The kernel goes on with the next cell while the code of a stopped one still comes to its end, and then takes that one's variables for the latest: what
    /// the next cell made is lost. So the next one waits; its own stop button ends the wait.
    /// </summary>
    private async Task WaitForStoppedAsync(object context)
    {
        // A cell may send others: those run inside it.
        if (_running is not { } stopped || ReferenceEquals(stopped.Context, context) || stopped.Ending.IsCompleted)
        {
            return;
        }

        var ending = Task.WhenAny(stopped.Ending);
        if (await Task.WhenAny(ending, Task.Delay(Patience)) != ending)
        {
            Console.WriteLine("Waiting for the end of the cell that was stopped …");
            await ending.WaitAsync((CancellationToken)((dynamic)context).CancellationToken);
        }
    }

    /// <summary>Looks at a cell before it runs and enters what it makes.</summary>
    /// <returns>Null when nothing can be said of it.</returns>
    private Submission? Look(string code)
    {
        try
        {
            object? state = _kernel.ScriptState;
            if (state is null)
            {
                return null;
            }

            var tree = Parse(state, code);
            var (mentioned, declared) = IdentifiersOf(tree);
            mentioned.ExceptWith(declared);
            var submission = new Submission(RefusalOf(state, code, mentioned));
            if (submission.Refusal is null)
            {
                _seen.Add(code.Trim());
                foreach (var (name, line) in MadeBy(tree))
                {
                    _makers[name] = submission;
                    submission.Lines[name] = line;
                }
            }

            return submission;
        }
#pragma warning disable CA1031 // Another version of the kernel, a folder that is gone: a cell must run as it would without this class.
        catch (Exception)
#pragma warning restore CA1031
        {
            return null;
        }
    }

    private string? RefusalOf(object state, string code, HashSet<string> mentioned)
    {
        var values = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (dynamic variable in (IEnumerable)((dynamic)state).Variables)
        {
            values[(string)variable.Name] = variable.Value;
        }

        var empty = mentioned.Where(name =>
            _makers.TryGetValue(name, out var maker) && !maker.EndedWell && values.TryGetValue(name, out var value) && value is null)
            .Select(name => Sentence(name, "has no value", _makers[name].Lines[name], "failed or was stopped", ""));
        var missing = Missing(state, code, mentioned.Where(name => !values.ContainsKey(name)).ToHashSet(StringComparer.Ordinal));
        var faults = empty.Concat(missing).ToList();
        return faults.Count == 0 ? null : string.Join('\n', faults);
    }

    /// <summary>Names that are nowhere yet, according to the compiler, and that a cell makes: one that was run, or one of the notebook's file.</summary>
    private List<string> Missing(object state, string code, HashSet<string> unknown)
    {
        var notebooks = unknown.Count == 0 ? [] : NeighbourCells.Read(_folder);
        var own = notebooks.OrderByDescending(cells => cells.Count(cell => _seen.Contains(cell.Code.Trim()))).ToList();
        var makers = unknown.Select(name => (Name: name, Place: PlaceOf(state, name, own)))
            .Where(maker => maker.Place is not null || _makers.ContainsKey(maker.Name)).ToList();
        if (makers.Count == 0)
        {
            return [];
        }

        // Only the compiler knows that a name is a variable's, and not a member's or a type's.
        var faults = new HashSet<string>(StringComparer.Ordinal);
        foreach (dynamic fault in (IEnumerable)((dynamic)state).Script.ContinueWith(code).GetCompilation().GetDiagnostics())
        {
            if ((string)fault.Id == "CS0103")
            {
                faults.Add(code[(int)fault.Location.SourceSpan.Start..(int)fault.Location.SourceSpan.End]);
            }
        }

        return [.. makers.Where(maker => faults.Contains(maker.Name)).Select(maker => _makers.TryGetValue(maker.Name, out var seen)
            ? Sentence(maker.Name, "has no value", seen.Lines[maker.Name], "failed or was stopped", maker.Place?.Heading ?? "")
            : Sentence(maker.Name, "has no value yet", maker.Place!.Value.Line, "was not run", maker.Place.Value.Heading))];
    }

    /// <summary>Where a notebook's file makes a name: the line, and the heading above it.</summary>
    private static (string Line, string Heading)? PlaceOf(object state, string name, IEnumerable<IReadOnlyList<NeighbourCell>> notebooks)
    {
        foreach (var cell in notebooks.SelectMany(cells => cells).Where(cell => cell.Code.Contains(name, StringComparison.Ordinal)))
        {
            foreach (var (made, line) in MadeBy(Parse(state, cell.Code)))
            {
                if (made == name)
                {
                    return (line, cell.Heading);
                }
            }
        }

        return null;
    }

    private static string Sentence(string name, string state, string line, string why, string heading) =>
        $"'{name}' {state}: the cell that makes it{(heading.Length > 0 ? $", under \"{heading}\"," : "")} {why}. Run that cell first, "
            + $"then this one. It says: {line}";

    private static object Parse(dynamic state, string code)
    {
        dynamic tree = ((IEnumerable<object>)state.Script.GetCompilation().SyntaxTrees).First();
        return tree.WithChangedText(tree.GetText().Replace(0, (int)tree.Length, code));
    }

    /// <summary>The names that a cell's code mentions as values, and those that it declares or assigns, at whatever depth.</summary>
    private static (HashSet<string> Mentioned, HashSet<string> Declared) IdentifiersOf(dynamic tree)
    {
        var (mentioned, declared) = (new HashSet<string>(StringComparer.Ordinal), new HashSet<string>(StringComparer.Ordinal));
        foreach (dynamic token in (IEnumerable)tree.GetRoot().DescendantTokens())
        {
            if ((int)token.RawKind != IdentifierToken)
            {
                continue;
            }

            string name = token.ValueText;
            var node = token.Parent;
            if (node.GetType().Name != "IdentifierNameSyntax")
            {
                declared.Add(name);
            }
            else if (node.Parent.GetType().Name == "AssignmentExpressionSyntax" && ReferenceEquals(node.Parent.Left, node))
            {
                declared.Add(name);
            }
            else if (!IsMemberName(node) && !NullTest().IsMatch((string)node.Parent.ToString()))
            {
                mentioned.Add(name);
            }
        }

        return (mentioned, declared);
    }

    private static bool IsMemberName(dynamic node) => node.Parent.GetType().Name switch
    {
        "MemberAccessExpressionSyntax" => ReferenceEquals(node.Parent.Name, node),
        "MemberBindingExpressionSyntax" or "NameColonSyntax" or "NameEqualsSyntax" or "QualifiedNameSyntax" => true,
        _ => false,
    };

    /// <summary>The names that later cells see, each with the first line of what makes it.</summary>
    private static List<(string Name, string Line)> MadeBy(dynamic tree)
    {
        var made = new List<(string, string)>();
        foreach (dynamic member in (IEnumerable)tree.GetRoot().Members)
        {
            string line = ((string)member.ToString()).Split('\n')[0].Trim();
            line = line.Length > LongestLine ? line[..LongestLine] + "…" : line;
            foreach (dynamic token in (IEnumerable)member.DescendantTokens())
            {
                var parent = token.Parent;
                if ((int)token.RawKind == IdentifierToken
                    && (ReferenceEquals(parent, member) || IsFieldOf(parent, member) || parent.GetType().Name == "SingleVariableDesignationSyntax"))
                {
                    made.Add(((string)token.ValueText, line));
                }
            }
        }

        return made;
    }

    private static bool IsFieldOf(dynamic declarator, dynamic member) =>
        declarator.GetType().Name == "VariableDeclaratorSyntax" && ReferenceEquals(declarator.Parent.Parent, member);

    /// <summary>Roslyn's <c>SyntaxKind.IdentifierToken</c>.</summary>
    private const int IdentifierToken = 8508;

    [GeneratedRegex(@"^\w+\s*(==|!=|is|is\s+not)\s*null$")]
    private static partial Regex NullTest();

    /// <summary>A cell that was sent to the kernel.</summary>
    /// <param name="refusal">Why it cannot run; null when it can.</param>
    private sealed class Submission(string? refusal)
    {
        public string? Refusal { get; } = refusal;

        /// <summary>Whether it ran to its end without an exception.</summary>
        public bool EndedWell { get; set; }

        /// <summary>The line that makes each name.</summary>
        public Dictionary<string, string> Lines { get; } = new(StringComparer.Ordinal);
    }
}
