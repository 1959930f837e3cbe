extern alias lib;

using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using System.Globalization;
using lib::NotebookLib.Annotation;
using lib::NotebookLib.Data;
using lib::NotebookLib.Inference;
using lib::NotebookLib.Model;
using lib::NotebookLib.Platform;
using static NotebookLib.Platform.NumberText;

namespace NotebookRunner.Commands;

/// <summary><c>annotate MODEL INPUT… -o OUTPUT</c>: a trained model on files of texts.</summary>
internal static class AnnotateCommand
{
    private static readonly TimeSpan LineEvery = TimeSpan.FromSeconds(15);

    private static readonly (string Name, string Format)[] Formats =
    [
        ("jsonl", "JsonLines"), ("json", "Json"), ("conll", "Conll"), ("csv", "Csv"), ("parquet", "Parquet"), ("html", "Html"), ("doccano", "Doccano"),
        ("label-studio", "LabelStudio"), ("spacy", "Spacy"),
    ];

    private static readonly string[] InputFormats = ["text", "json", "csv", "conll", "parquet"];

    /// <summary>Builds the verb.</summary>
    public static Command Create()
    {
        var model = TrainedModel.NewArgument();
        model.Arity = ArgumentArity.ZeroOrOne;
        var inputs = new Argument<string[]>("input")
        {
            Description =
            "Files, folders, patterns (in quotes), or - for standard input: text, JSON lines, CSV, Parquet, CoNLL, packed or not",
            Arity = ArgumentArity.ZeroOrMore
        };
        var output = new Option<string?>("--output",
            "-o")
        {
            Description = "The file to write; its ending says the format: .jsonl .json .conll .csv .parquet .html; - for standard output",
            HelpName = "file"
        };
        var format = new Option<string?>("--format") { Description = "The format to write, where the ending does not tell" };
        format.AcceptOnlyFromAmong([.. Formats.Select(pair => pair.Name)]);
        var inputFormat = new Option<string?>("--input-format") { Description = "How the inputs are read [default: by their endings, else a text a line]" };
        inputFormat.AcceptOnlyFromAmong(InputFormats);
        var field = new Option<string?>("--field")
        {
            Description = "Field or column of the text [default: text, content, sentence, … or lists of words]",
            HelpName = "name"
        };
        var document = new Option<bool>("--document") { Description = "A text file is one running text: split it into sentences" };
        var strategy = new Option<string?>("--strategy") { Description = "How pieces become entities, as in transformers [default: words are tagged]" };
        strategy.AcceptOnlyFromAmong("none", "simple", "first", "average", "max");
        var threshold = new Option<double>("--threshold")
        {
            Description = "Leave out entities with a lower score [default: 0]",
            HelpName = "0…1",
            CustomParser = Probability
        };
        var shard = new Option<(int, int)>("--shard")
        {
            Description = "Annotate every Nth row only, beginning with the Ith; --merge joins such parts",
            HelpName = "I/N",
            CustomParser = OptionNumbers.Shard
        };
        var merge = new Option<bool>("--merge")
        {
            Description = "Join the parts that --shard made, given as --merge OUTPUT [PART…]; without parts those beside OUTPUT, named like it with more behind"
        };
        var skip = new Option<bool>("--skip-errors") { Description = "Leave wrong rows out and say which, rather than stop at the first" };
        var force = new Option<bool>("--force") { Description = "Replace the output when it exists" };
        var restart = new Option<bool>("--restart") { Description = "Begin anew rather than go on where a killed run was" };
        var (types, start) = (TrainedModel.NewTypes(), TrainedModel.NewBase());
        var (device, precision) = (TrainedModel.NewDevice(), TrainedModel.NewPrecision());
        var command = new Command("annotate", "Finds entities in files of texts with a trained model; a killed run goes on where it was when it is typed again")
        {
            model, inputs, output, format, inputFormat, field, document, strategy, threshold, shard, merge, skip, force, restart, types, start, device,
            precision,
        };
        command.Validators.Add(result =>
        {
            List<string> names = [.. result.GetValue(model) is { } name ? [name] : Array.Empty<string>(), .. result.GetValue(inputs) ?? []];
            if (result.GetValue(merge) && names.Count == 0 && result.GetValue(output) is null)
            {
                result.AddError("--merge: name the file to write, and the parts where they do not lie beside it: --merge OUTPUT [PART…].");
            }
            else if (!result.GetValue(merge) && (names.Count < 2 || result.GetValue(output) is null))
            {
                result.AddError(names.Count == 0 ? "Name a model, files of texts, and the file to write: annotate MODEL INPUT… -o OUTPUT."
                    : names.Count == 1 ? $"Name files of texts for {names[0]}: annotate MODEL INPUT… -o OUTPUT."
                    : "Name the file to write: -o OUTPUT, or - for standard output.");
            }
        });
        command.SetAction(async (arguments, _) =>
        {
            LibraryFolder.MakeLoadable();
            if (arguments.GetValue(merge))
            {
                string[] names = [.. arguments.GetValue(model) is { } name ? [name] : Array.Empty<string>(), .. arguments.GetValue(inputs)!];
                return arguments.GetValue(output) is { } whole ? Merge(whole, names, arguments.GetValue(force))
                    : Merge(names[0], names[1..], arguments.GetValue(force));
            }

            var (part, parts) = arguments.GetValue(shard) is { Item2: > 0 } given ? given : (1, 0);
            return await AnnotateAsync(new(
                arguments.GetValue(model)!, arguments.GetValue(inputs)!, arguments.GetValue(output)!, arguments.GetValue(format),
                arguments.GetValue(inputFormat), arguments.GetValue(field),
                arguments.GetValue(document), arguments.GetValue(strategy), arguments.GetValue(threshold), part, parts, arguments.GetValue(skip),
                arguments.GetValue(force), arguments.GetValue(restart),
                arguments.GetValue(types), arguments.GetValue(start), arguments.GetValue(device)!, arguments.GetValue(precision)!));
        });
        return command;
    }

    private sealed record Wish(
        string Model, string[] Inputs, string Output, string? Format, string? InputFormat, string? Field, bool IsDocument, string? Strategy, double Threshold,
        int Shard, int Shards, bool Skips,
        bool Replaces, bool Restarts, string? Types, string? Base, string Device, string Precision);

    // The library's types stand in methods of their own: one that names them is compiled only after they can be loaded.
    private static async Task<int> AnnotateAsync(Wish wish)
    {
        var cancel = Interruption.Token;
        try
        {
            var settings = Settings(wish);
            settings.Validate();
            using var tagger = await TrainedModel.LoadAsync(wish.Model, new LoadOptions { Device = TrainedModel.DeviceOf(wish.Device) }, wish.Precision,
                wish.Types, wish.Base, new TrainedModel.Transfers(), cancel);
            var view = new ProgressView();
            var result = Annotator.Run(tagger, settings, view.Show, fault => view.Say($"left out: {fault}"), cancel);
            view.Say(Summary(result));
            if (settings.Output != AnnotationSettings.Standard)
            {
                Console.Out.WriteLine(Path.GetFullPath(settings.Output));
            }

            if (result.CutFiles > 0)
            {
                view.Say($"{Counted(result.CutFiles, "file was", "files were")} read in part only: see above. The output holds what could be read.");
                return ExitCodes.Failed;
            }

            return ExitCodes.Ok;
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine(wish.Output == AnnotationSettings.Standard
                ? "\nInterrupted." : "\nInterrupted; what is done is kept: the same command goes on there.");
            return ExitCodes.Interrupted;
        }
        catch (DataFormatException fault)
        {
            Console.Error.WriteLine($"\n{fault.Message}\nNothing was written to {wish.Output}. --skip-errors leaves such rows out"
                + $"{(wish.Output == AnnotationSettings.Standard ? "." : " and goes on where this run stopped; "
                    + "when the input is mended, begin anew with --restart.")}");
            return ExitCodes.Failed;
        }
        catch (Exception error) when (TrainedModel.IsBadInput(error))
        {
            throw new BadInputException(Spoken(error), error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"\n{Spoken(error)}");
            return ExitCodes.Failed;
        }
    }

    private static int Merge(string output, string[] parts, bool replaces)
    {
        try
        {
            var result = AnnotationMerge.Run(output, parts.Length > 0 ? parts : AnnotationMerge.Beside(output), replaces, Interruption.Token);
            Console.Error.WriteLine($"{Counted(result.Shards, "part", "parts")}, {Counted(result.Rows, "text", "texts")}, "
                + Counted(result.Entities, "entity", "entities")
                + (result.Skipped > 0 ? $", {Counted(result.Skipped, "wrong row", "wrong rows")} left out" : ""));
            Console.Out.WriteLine(Path.GetFullPath(output));
            return ExitCodes.Ok;
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine($"\nInterrupted; nothing was written to {output}.");
            return ExitCodes.Interrupted;
        }
        catch (ArgumentException error)
        {
            throw new BadInputException($"{Spoken(error)}\nNothing was written to {output}.", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            Console.Error.WriteLine($"{Spoken(error)}\nNothing was written to {output}.");
            return ExitCodes.Failed;
        }
    }

    private static AnnotationSettings Settings(Wish wish) => new()
    {
        Inputs = wish.Inputs,
        Output = wish.Output,
        Format = wish.Format is null ? null : Enum.Parse<AnnotationFormat>(Array.Find(Formats, pair => pair.Name == wish.Format).Format),
        InputFormat = wish.InputFormat is null ? null : Enum.Parse<TextFormat>(wish.InputFormat, ignoreCase: true),
        Field = wish.Field,
        IsDocument = wish.IsDocument,
        Strategy = wish.Strategy is null ? null : Enum.Parse<AggregationStrategy>(wish.Strategy, ignoreCase: true),
        Threshold = wish.Threshold,
        Shard = wish.Shard,
        Shards = Math.Max(1, wish.Shards),
        IsPart = wish.Shards > 0,
        SkipsErrors = wish.Skips,
        Replaces = wish.Replaces,
        Restarts = wish.Restarts,
    };

    private static string Spoken(Exception error) => TrainedModel.Spoken(error)
        .Replace("have it replaced.", "replace it with --force.", StringComparison.Ordinal)
        .Replace("begin anew (restart)", "begin anew with --restart", StringComparison.Ordinal)
        .Replace("or the format by name.", "or a format by name with --format.", StringComparison.Ordinal)
        .Replace("Name an aggregation strategy, which", "Name a --strategy, which", StringComparison.Ordinal);

    private static string Summary(AnnotationProgress result) =>
        $"{Counted(result.Rows, "text", "texts")}, {Counted(result.Entities, "entity", "entities")}"
        + (result.Skipped > 0 ? $", {Counted(result.Skipped, "wrong row", "wrong rows")} left out" : "")
        + (result.WasComplete ? "; the part was complete already" : Effort(result));

    private static string Effort(AnnotationProgress result) =>
        (result.NewRows < result.Rows ? $"; {Count(result.NewRows)} of them in this run" : "")
        + $" in {InWords(result.Seconds)} ({Rates(result)})";

    private static string Counted(long count, string one, string many) => $"{Count(count)} {(count == 1 ? one : many)}";

    private static string Rates(AnnotationProgress at) =>
        at.Seconds <= 0 ? "" : $"{Count((long)(at.NewRows / at.Seconds))} texts/s, {Count((long)(at.Tokens / at.Seconds))} tokens/s";

    private static double Probability(ArgumentResult result)
    {
        if (double.TryParse(result.Tokens[0].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value is >= 0 and <= 1)
        {
            return value;
        }

        result.AddError($"--threshold: expected a probability from 0 to 1, as in --threshold 0.5, found '{result.Tokens[0].Value}'.");
        return 0;
    }

    /// <summary>One line on standard error: replaced in place on a terminal, else written anew now and then.</summary>
    private sealed class ProgressView
    {
        private readonly bool _isTerminal = !Console.IsErrorRedirected;
        private long _shown = Stopwatch.GetTimestamp();
        private int _width;

        public void Show(AnnotationProgress at)
        {
            if (!_isTerminal && Stopwatch.GetElapsedTime(_shown) < LineEvery)
            {
                return;
            }

            _shown = Stopwatch.GetTimestamp();
            var left = at.SecondsLeft is { } seconds && at.Fraction < 1 ? $", {InWords(seconds)} left" : "";
            Write($"{Count(at.Rows)} texts, {Count(at.Entities)} entities, {Rates(at)}, "
                + $"{(at.Fraction * 100).ToString("0", CultureInfo.InvariantCulture)} %{left}");
        }

        /// <summary>A line that stays.</summary>
        public void Say(string line)
        {
            Clear();
            Console.Error.WriteLine(line);
        }

        private void Write(string line)
        {
            if (_isTerminal)
            {
                Console.Error.Write($"\r{line.PadRight(_width)}");
                _width = line.Length;
            }
            else
            {
                Console.Error.WriteLine(line);
            }
        }

        private void Clear()
        {
            if (_isTerminal && _width > 0)
            {
                Console.Error.Write($"\r{new string(' ', _width)}\r");
                _width = 0;
            }
        }
    }
}
