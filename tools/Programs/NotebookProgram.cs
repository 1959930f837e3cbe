using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.DotNet.Interactive;
using Microsoft.DotNet.Interactive.Commands;
using Microsoft.DotNet.Interactive.Formatting;
using NotebookLib.Platform;
using NotebookRunner.Commands;
using NotebookRunner.Documents;
using NotebookRunner.Kernel;
using NotebookRunner.Parameters;
using NotebookRunner.Reports;
using NotebookRunner.Running;

namespace NotebookRunner.Programs;

/// <summary>
/// What a notebook that was converted to a program (<c>convert --to cs</c>) runs on: it takes the arguments, collects what the cells show, and ends with the
/// notebook's page, its .ipynb and run.json.
/// </summary>
public sealed class NotebookProgram : IDisposable
{
    internal const string Variable = "program";
    internal const string CodeMark = "// %%";
    internal const string ProseMark = "// %% [markdown]";

    private readonly RunState _run;
    private readonly Dictionary<string, string> _set;
    private readonly ReportFiles _reports;
    private readonly string _folder;
    private readonly string _sourcePath;
    private readonly int[] _firstLines;
    private readonly PlainRunView _view;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _interrupted = new();
    private readonly PosixSignalRegistration _signal;
    private KernelInvocationContext? _context;
    private IDisposable? _events;
    private CellState? _cell;
    private OutputLimit _limit = new();
    private TimeSpan _cellBegan;

    private NotebookProgram(RunState run, int[] firstLines, string sourcePath, string folder)
    {
        (_run, _firstLines, _sourcePath, _folder) = (run, firstLines, sourcePath, folder);
        _set = run.Parameters.Where(value => value.IsSet).ToDictionary(value => value.Parameter.Name, value => value.Literal);
        _reports = new(sourcePath, folder);
        _view = new(new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false)) { AutoFlush = true, NewLine = "\n" });
        _signal = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal =>
        {
            signal.Cancel = !_interrupted.IsCancellationRequested;
            _interrupted.Cancel();
        });
    }

    /// <summary>Takes the arguments and looks at the program's own cells.</summary>
    /// <param name="args"><c>-p name=value</c> (or <c>name=value</c>) sets a parameter, <c>--output FOLDER</c> says where the page goes.</param>
    /// <param name="sourcePath">The program's own file; the compiler fills it in.</param>
    /// <returns>The program, which <see cref="End"/> ends. A wrong argument ends the process with exit code 2.</returns>
    public static NotebookProgram Begin(string[] args, [CallerFilePath] string sourcePath = "")
    {
        ArgumentNullException.ThrowIfNull(args);
        try
        {
            var (cells, firstLines) = Read(File.ReadAllText(sourcePath));
            var (values, output) = Options(args, sourcePath);
            var parameters = ParameterCell.Find(cells);
            if (parameters is null && values.Count > 0)
            {
                throw new ParameterException($"{Path.GetFileName(sourcePath)} has no parameters, so {values.Keys.First()} cannot be set.");
            }

            var names = CellNames.Of(cells);
            var run = new RunState
            {
                NotebookName = Path.GetFileName(sourcePath),
                NotebookPath = sourcePath,
                Given = values,
                NotebookHash = CellNames.Hash(cells),
                Started = DateTimeOffset.Now,
                Parameters = parameters?.Valued(values) ?? [],
                Cells = [.. cells.Select((cell, i) => new CellState(i + 1, names[i], cell, cell.Source))],
                Status = RunStatus.Running,
            };
            var program = new NotebookProgram(run, firstLines, sourcePath, output);
            WritableFolder.Prove(output, () => program._reports.Write(run));
            program.SetUp();
            return program;
        }
        catch (Exception error) when (error is ParameterException or BadInputException)
        {
            Console.Error.WriteLine(error.Message);
            Environment.Exit(ExitCodes.BadInput);
            throw;
        }
    }

    /// <summary>A parameter's value: what the command line says, else what stands in the program.</summary>
    /// <typeparam name="T">The parameter's type.</typeparam>
    /// <param name="name">The parameter's name.</param>
    /// <param name="value">What stands in the program.</param>
    public T Argument<T>(string name, T value) =>
        _set.TryGetValue(name, out var literal) ? (T)ValueOf(SyntaxFactory.ParseExpression(literal), typeof(T))! : value;

    /// <summary>A cell begins: the one before has ended well.</summary>
    /// <param name="number">Its number, from 1.</param>
    public void Cell(int number)
    {
        Close(RunStatus.Ok);
        _interrupted.Token.ThrowIfCancellationRequested();
        _cell = _run.Cells[number - 1];
        _cell.Status = RunStatus.Running;
        _cellBegan = _clock.Elapsed;
        _limit = new();
        _view.CellStarted(_cell);
        // What x.Display(), the library's live views and Console write reaches the cell that is running: the kernel's own way, without a kernel.
        _context = KernelInvocationContext.GetOrCreateAmbientContext(new SubmitCode(_cell.Source));
        _events = _context.KernelEvents.Subscribe(happened => EventForwarding.Forward(happened, Record));
    }

    /// <summary>Shows a value, as a notebook shows its cell's last expression.</summary>
    /// <param name="value">Any value.</param>
    public void Show(object? value)
    {
        if (value is not null)
        {
            Record(new KernelEvent.Displayed(null,
                FormattedValue.CreateManyFromObject(value).DistinctBy(form => form.MimeType).ToDictionary(form => form.MimeType, form => form.Value),
                IsResult: true));
        }
    }

    /// <summary>The running cell failed; the page will say so.</summary>
    /// <param name="error">What it threw.</param>
    public void Fail(Exception error)
    {
        ArgumentNullException.ThrowIfNull(error);
        var cause = error is AggregateException { InnerExceptions: [var only] } ? only : error;
        if (_cell is not null)
        {
            var line = new StackTrace(cause, true).GetFrames().Where(frame => frame.GetFileName() == _sourcePath).Select(frame => frame.GetFileLineNumber())
                .FirstOrDefault();
            var first = _firstLines[_cell.Number - 1];
            _cell.Error = new(cause.GetType().FullName!, cause.Message, line > first ? line - first : 0, cause.StackTrace ?? "");
        }

        Close(_interrupted.IsCancellationRequested ? RunStatus.Interrupted : RunStatus.Failed);
    }

    /// <summary>Ends the last cell and writes the page.</summary>
    /// <returns>The exit code: 0 when all went well, 1 when a cell failed, 130 when the program was interrupted.</returns>
    public int End()
    {
        Close(RunStatus.Ok);
        _run.Status = _run.Outcome;
        Save();
        RunClosing.Print(_run, _reports, folder: null);
        return _run.Status switch { RunStatus.Ok => ExitCodes.Ok, RunStatus.Interrupted => ExitCodes.Interrupted, _ => ExitCodes.Failed };
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _events?.Dispose();
        _context?.Dispose();
        _signal.Dispose();
        _interrupted.Dispose();
    }

    private void SetUp()
    {
        Environment.CurrentDirectory = Path.GetDirectoryName(_sourcePath)!;
        Environment.SetEnvironmentVariable(HostContract.OutputVariable, _folder);
        ScoresFile.Forget(_folder);
        CellKernels.SetUpFormatting();
        // Only that class's initialiser makes x.Display() ask for the running cell.
        RuntimeHelpers.RunClassConstructor(typeof(Microsoft.DotNet.Interactive.Kernel).TypeHandle);
        AppContext.SetData(HostContract.InterruptedSlot, _interrupted.Token);
        AppContext.SetData(HostContract.PlotlySlot, true);
        _ = _view.ShowWhileAsync(_run, () => Task.CompletedTask);
        _run.Versions["runtime"] = RuntimeInformation.FrameworkDescription;
        _run.Versions["system"] = RuntimeInformation.OSDescription;
    }

    private void Record(KernelEvent received)
    {
        lock (_lock)
        {
            if (_cell is null || _limit.Apply(received) is not { } happened)
            {
                return;
            }

            _view.Happened(happened);
            _run.Record(_cell, happened);
        }
    }

    private void Close(RunStatus status)
    {
        if (_cell is null)
        {
            return;
        }

        _events?.Dispose();
        _context?.Dispose();
        lock (_lock)
        {
            _cell.Status = status;
            _cell.Seconds = (_clock.Elapsed - _cellBegan).TotalSeconds;
            _view.CellEnded(_cell);
            _cell = null;
        }

        Save();
    }

    private void Save()
    {
        _run.Seconds = _clock.Elapsed.TotalSeconds;
        _run.Scores = ScoresFile.Read(_folder);
        (_run.About, _run.ScoreGroups) = ScoresFile.ReadAbout(_folder);
        _reports.Write(_run);
    }

    private static (Dictionary<string, string> Values, string Output) Options(string[] args, string sourcePath)
    {
        var pairs = new List<string>();
        string? output = null;
        for (var i = 0; i < args.Length; i++)
        {
            if (args[i] is "-p" or "--parameter" or "-o" or "--output" && i + 1 == args.Length)
            {
                throw new BadInputException($"{args[i]} has nothing behind it. Arguments are -p name=value and --output FOLDER.");
            }

            switch (args[i])
            {
                case "-p" or "--parameter":
                    pairs.Add(args[++i]);
                    break;
                case "-o" or "--output":
                    output = args[++i];
                    break;
                default:
                    pairs.Add(args[i]);
                    break;
            }
        }

        var name = Path.GetFileNameWithoutExtension(sourcePath);
        return (ParameterPairs.Read(pairs),
            Path.GetFullPath(output ?? Path.Combine("results", "runs", $"{name}-{DateTime.Now.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)}")));
    }

    /// <summary>The program's cells as the notebook had them, and the line above each.</summary>
    private static (List<NotebookCell> Cells, int[] FirstLines) Read(string source)
    {
        var lines = source.Replace("\r\n", "\n", StringComparison.Ordinal).Split('\n');
        var marks = Enumerable.Range(0, lines.Length).Where(i => lines[i] is CodeMark or ProseMark).ToList();
        // The brace above the catch closes the last cell.
        var end = Array.LastIndexOf(lines, "catch (Exception error)") - 1;
        var cells = new List<NotebookCell>();
        for (var i = 0; i < marks.Count; i++)
        {
            var isProse = lines[marks[i]] == ProseMark;
            var body = lines[(marks[i] + (isProse ? 1 : 2))..(i + 1 < marks.Count ? marks[i + 1] : end)];
            var text = string.Join('\n', isProse
                ? body.Select(line => line.StartsWith("// ", StringComparison.Ordinal) ? line[3..] : line.TrimStart('/')) : body).Trim('\n');
            cells.Add(new(isProse ? KernelNames.Markdown : KernelNames.CSharp, isProse ? text : WithoutCalls(text), marks[i] + 3));
        }

        return (cells, [.. marks.Select(mark => mark + 2)]);
    }

    /// <summary>The code without what the conversion put around it.</summary>
    private static string WithoutCalls(string code)
    {
        var root = CSharpSyntaxTree.ParseText(code, new CSharpParseOptions(LanguageVersion.CSharp14, kind: SourceCodeKind.Script)).GetCompilationUnitRoot();
        foreach (var call in root.DescendantNodes().OfType<InvocationExpressionSyntax>().OrderByDescending(call => call.SpanStart))
        {
            if (call.Expression is not MemberAccessExpressionSyntax
                {
                    Expression: IdentifierNameSyntax { Identifier.Text: Variable },
                    Name.Identifier.Text: var name
                })
            {
                continue;
            }

            // A shown value had no semicolon.
            var end = name == nameof(Show) && call.Parent is ExpressionStatementSyntax statement ? statement.Span.End : call.Span.End;
            code = string.Concat(code.AsSpan(0, call.SpanStart), call.ArgumentList.Arguments[^1].ToString(), code.AsSpan(end));
        }

        return code;
    }

    private static object? ValueOf(ExpressionSyntax literal, Type type)
    {
        var inner = Nullable.GetUnderlyingType(type) ?? type;
        return literal switch
        {
            LiteralExpressionSyntax { RawKind: (int)SyntaxKind.NullLiteralExpression } => null,
            LiteralExpressionSyntax { Token.Value: var value } => Convert.ChangeType(value, inner, CultureInfo.InvariantCulture),
            PrefixUnaryExpressionSyntax { Operand: LiteralExpressionSyntax { Token.Text: var digits } } =>
                Convert.ChangeType("-" + digits.TrimEnd('L', 'f', 'd', 'm'), inner, CultureInfo.InvariantCulture),
            MemberAccessExpressionSyntax member => Enum.Parse(inner, member.Name.Identifier.Text),
            CollectionExpressionSyntax list =>
                list.Elements.OfType<ExpressionElementSyntax>().Select(element => ((LiteralExpressionSyntax)element.Expression).Token.ValueText).ToArray(),
            _ => throw new InvalidOperationException($"{literal} is no value of a parameter."),
        };
    }
}
