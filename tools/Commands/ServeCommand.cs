extern alias lib;

using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Net;
using lib::NotebookLib.Inference;
using lib::NotebookLib.Model;
using NotebookRunner.Running;
using NotebookRunner.Serving;

namespace NotebookRunner.Commands;

/// <summary><c>serve MODEL</c>: a trained model behind HTTP, for programs and for people.</summary>
internal static class ServeCommand
{
    /// <summary>Where the token may stand, so that no list of processes shows it.</summary>
    private const string TokenVariable = "SERVE_TOKEN";

    private const int UsualPort = 8000;
    private static readonly TimeSpan LongestLimit = TimeSpan.FromDays(1);

    /// <summary>Builds the verb.</summary>
    public static Command Create()
    {
        var usual = new ServerSettings();
        var model = TrainedModel.NewArgument();
        var host = new Option<IPAddress>("--host")
        {
            Description = "The address to listen on; one that other machines reach demands a token",
            HelpName = "address",
            CustomParser = Address,
            DefaultValueFactory = _ => usual.Host
        };
        var port = new Option<int>("--port")
        {
            Description = "The port; 0 takes a free one",
            HelpName = "number",
            CustomParser = Whole(0, IPEndPoint.MaxPort),
            DefaultValueFactory = _ => UsualPort
        };
        var token = new Option<string?>("--token")
        {
            Description =
            $"What clients must show (Authorization: Bearer …); in the environment as {TokenVariable} no list of processes shows it",
            HelpName = "text"
        };
        var name = new Option<string?>("--name")
        {
            Description = "What the model is called, on the page and at /models/NAME [default: as it is named here]",
            HelpName = "name"
        };
        var line = new Option<int>("--queue")
        {
            Description = "Requests that may wait; others are told to come again (503)",
            HelpName = "number",
            CustomParser = Whole(1, 100_000),
            DefaultValueFactory = _ => usual.LineLength
        };
        var texts = new Option<int>("--max-texts")
        {
            Description = "Texts of one request at most (413)",
            HelpName = "number",
            CustomParser = Whole(1, 1_000_000),
            DefaultValueFactory = _ => usual.MostTexts
        };
        var bytes = new Option<int>("--max-bytes")
        {
            Description = "Bytes of one request at most (413)",
            HelpName = "number",
            CustomParser = Whole(1, 1 << 30),
            DefaultValueFactory = _ => usual.MostBytes
        };
        var timeout = new Option<TimeSpan?>("--timeout")
        {
            Description =
            Invariant($"Seconds that a request may take (503) [default: {usual.TimeLimit.TotalSeconds}]"),
            HelpName = "seconds",
            CustomParser = OptionNumbers.Seconds
        };
        var (types, start) = (TrainedModel.NewTypes(), TrainedModel.NewBase());
        var (device, precision) = (TrainedModel.NewDevice(), TrainedModel.NewPrecision());
        var command = new Command("serve",
            "Answers over HTTP with a trained model: the Hub's inference protocol, and a page to try it on; a stop finishes what was begun")
        {
            model, host, port, token, name, line, texts, bytes, timeout, types, start, device, precision,
        };
        command.SetAction(async (arguments, _) =>
        {
            var settings = new ServerSettings
            {
                Host = arguments.GetValue(host)!,
                Port = arguments.GetValue(port),
                Token = TokenOf(arguments.GetValue(token), arguments.GetValue(host)!),
                Names = arguments.GetValue(name) is { } given ? [NameOf(given)] : [],
                LineLength = arguments.GetValue(line),
                MostTexts = arguments.GetValue(texts),
                MostBytes = arguments.GetValue(bytes),
                TimeLimit = (arguments.GetValue(timeout) ?? usual.TimeLimit) is var limit && limit > TimeSpan.Zero && limit <= LongestLimit ? limit
                    : throw new BadInputException("--timeout: expected more than 0 seconds and at most a day, as in --timeout 30."),
            };
            LibraryFolder.MakeLoadable();
            return await ServeAsync(arguments.GetValue(model)!, settings, arguments.GetValue(types), arguments.GetValue(start), arguments.GetValue(device)!,
                arguments.GetValue(precision)!);
        });
        return command;
    }

    // The library's types stand in methods of their own: one that names them is compiled only after they can be loaded.
    private static async Task<int> ServeAsync(string model, ServerSettings settings, string? types, string? start, string device, string precision)
    {
        using var stops = new StopRequests();
        try
        {
            using var tagger = await TrainedModel.LoadAsync(model, new LoadOptions { Device = TrainedModel.DeviceOf(device) }, precision, types, start,
                new TrainedModel.Transfers(), stops.Wish);
            settings = settings with { Names = [.. settings.Names.Concat(NamesOf(model, tagger)).Distinct()] };
            var page = ServicePage.Create(tagger, settings.Names[0], ScoresOf(model), settings);
            // The first call makes what later ones use, and shows whether the weights give numbers at all.
            tagger.Pipeline.Classify("Ready?");
            await using var server = new InferenceServer(tagger, settings, page, Console.Error.WriteLine);
            await server.StartAsync();
            Console.Out.WriteLine(server.Address);
            Console.Error.WriteLine($"Serving {settings.Names[0]}{(settings.Token is null ? "" : " to who shows the token")}; Ctrl-C stops.");
            await Until(stops.Wish);
            Console.Error.WriteLine($"Stopping ({stops.Word}): what was begun is finished; {stops.Word} once more ends at once.");
            var order = Until(stops.Order);
            if (await Task.WhenAny(server.StopAsync(), order) == order)
            {
                // Whatever the network computes is left there.
                Environment.Exit(ExitCodes.Interrupted);
            }

            return ExitCodes.Ok;
        }
        catch (OperationCanceledException) when (stops.Count > 0)
        {
            Console.Error.WriteLine("Interrupted; nothing was served.");
            return ExitCodes.Interrupted;
        }
        catch (Exception error) when (TrainedModel.IsBadInput(error))
        {
            throw new BadInputException(TrainedModel.Spoken(error), error);
        }
        catch (IOException error)
        {
            Console.Error.WriteLine($"{error.Message} Another program may listen there: name another port with --port.");
            return ExitCodes.Failed;
        }
        catch (Exception error) when (error is UnauthorizedAccessException or System.Net.Sockets.SocketException)
        {
            Console.Error.WriteLine($"{settings.Host}, port {settings.Port}: {error.Message}");
            return ExitCodes.Failed;
        }
    }

    private static Task Until(CancellationToken token)
    {
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        token.Register(reached.SetResult);
        return reached.Task;
    }

    /// <summary>A name on the Hub and its last part, or a folder's name; the path to it is nobody's business.</summary>
    private static IEnumerable<string> NamesOf(string model, EntityTagger tagger)
    {
        var isFolder = Directory.Exists(model);
        var name = isFolder ? Path.GetFileName(RunFolderOf(model)) : model.Split('@')[0];
        return [name.Length > 0 ? name : tagger.Name, .. isFolder ? Array.Empty<string>() : [name.Split('/')[^1]]];
    }

    /// <summary>A run keeps its model in a folder of that name.</summary>
    private static string RunFolderOf(string model)
    {
        var folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(model));
        return Path.GetFileName(folder) == "model" ? Path.GetDirectoryName(folder)! : folder;
    }

    /// <summary>What the run that made the model scored, under what that was counted on, where its folder says so.</summary>
    private static IReadOnlyList<(string Title, IReadOnlyList<(string Name, double Value)> Scores)> ScoresOf(string model)
    {
        var folder = RunFolderOf(model);
        try
        {
            return [.. ScoresFile.Grouped(ScoresFile.Read(folder), ScoresFile.ReadAbout(folder).Groups).Where(group => group.Title.Length > 0)];
        }
        catch (InvalidDataException error)
        {
            Console.Error.WriteLine($"{error.Message} The page shows no scores.");
            return [];
        }
    }

    private static string? TokenOf(string? typed, IPAddress host)
    {
        var token = typed ?? Environment.GetEnvironmentVariable(TokenVariable);
        var where = typed is null ? TokenVariable : "--token";
        return token is null && !IPAddress.IsLoopback(host)
            ? throw new BadInputException($"--host {host}: other machines reach that address, so clients must show a token: name one with --token, "
                + $"or in the environment as {TokenVariable}.")
            : token is not null && !(token.Length > 0 && token.All(letter => letter is > ' ' and <= '~'))
                ? throw new BadInputException($"{where}: expected a token of ASCII letters, digits and signs, without spaces, "
                    + "as the header Authorization carries it.")
                : token;
    }

    private static string NameOf(string name) => name.Trim('/').Length > 0 && !name.Any(char.IsControl) ? name.Trim('/')
        : throw new BadInputException($"--name: expected a name, as in --name my-model or --name org/my-model, found '{name}'.");

    private static IPAddress Address(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (text.Equals("localhost", StringComparison.OrdinalIgnoreCase))
        {
            return IPAddress.Loopback;
        }

        if (text.AsSpan().ContainsAny('.', ':') && IPAddress.TryParse(text, out var address))
        {
            return address;
        }

        result.AddError($"--host: expected an address of this machine, as in --host 127.0.0.1, --host 0.0.0.0 (all of them) or --host ::1, found '{text}'.");
        return IPAddress.Loopback;
    }

    private static Func<ArgumentResult, int> Whole(int least, int most) => result =>
    {
        var text = result.Tokens[0].Value;
        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most)
        {
            return value;
        }

        result.AddError(Invariant($"{((OptionResult)result.Parent!).Option.Name}: expected a whole number from {least} to {most}, found '{text}'."));
        return least;
    };
}
