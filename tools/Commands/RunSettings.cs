using System.CommandLine;

namespace NotebookRunner.Commands;

/// <summary>The options that <c>run</c> and <c>sweep</c> share.</summary>
internal sealed class RunSettings
{
    private readonly Option<string[]> _parameters = new("--parameter", "-p") { Description = "name=value, sets a parameter of the notebook; may be repeated", HelpName = "name=value" };
    private readonly Option<string?> _profile = new("--profile") { Description = "Short for -p profile=…", HelpName = "demo|small|full|published" };
    private readonly Option<double?> _timeout = new("--timeout") { Description = "Seconds that one cell may take [default: no limit]", HelpName = "seconds" };
    private readonly Option<double> _grace = new("--grace")
    {
        Description = "Seconds that a cell may take to stop after a time-out before its process is ended",
        HelpName = "seconds",
        DefaultValueFactory = _ => 10,
    };

    /// <summary>The notebook.</summary>
    public Argument<string> Notebook { get; } = new("notebook") { Description = "The notebook, .dib or .ipynb" };

    /// <summary>Adds all of them to a verb.</summary>
    public void AddTo(Command command)
    {
        command.Arguments.Add(Notebook);
        foreach (var option in (Option[])[_parameters, _profile, _timeout, _grace])
        {
            command.Options.Add(option);
        }
    }

    /// <summary>The values of -p and --profile.</summary>
    /// <exception cref="Parameters.ParameterException">A pair is malformed, or a name is set twice.</exception>
    public Dictionary<string, string> Values(ParseResult arguments)
    {
        var profile = arguments.GetValue(_profile) is { } name ? [$"profile={name}"] : Array.Empty<string>();
        return Parameters.ParameterPairs.Read([.. arguments.GetValue(_parameters) ?? [], .. profile]);
    }

    /// <summary>How long one cell may take, and how long it may then take to stop.</summary>
    /// <exception cref="BadInputException">Negative or absurd.</exception>
    public (TimeSpan? Timeout, TimeSpan Grace) Limits(ParseResult arguments) =>
        (arguments.GetValue(_timeout) is { } seconds ? Seconds(seconds) : null, Seconds(arguments.GetValue(_grace)));

    private static TimeSpan Seconds(double seconds) => seconds is >= 0 and < 1e8
        ? TimeSpan.FromSeconds(seconds)
        : throw new BadInputException(Invariant($"{seconds}: expected a number of seconds between 0 and 1e8."));
}
