using System.CommandLine;

namespace NotebookRunner.Commands;

/// <summary>The options that <c>run</c> and <c>sweep</c> share.</summary>
internal sealed class RunSettings
{
    private readonly Option<string[]> _parameters =
        new("--parameter", "-p") { Description = "name=value, sets a parameter of the notebook; may be repeated", HelpName = "name=value" };
    private readonly Option<string?> _profile = new("--profile") { Description = "Short for -p profile=…", HelpName = "demo|small|full|published" };
    private readonly Option<TimeSpan?> _timeout = new("--timeout")
    {
        Description = "Seconds that one cell may take [default: no limit]",
        HelpName = "seconds",
        CustomParser = OptionNumbers.Seconds,
    };
    private readonly Option<TimeSpan?> _grace = new("--grace")
    {
        Description = "Seconds that a cell may take to stop after a time-out before its process is ended [default: 10]",
        HelpName = "seconds",
        CustomParser = OptionNumbers.Seconds,
    };

    /// <summary>The notebook.</summary>
    public Argument<string?> Notebook { get; } = new("notebook") { Description = "The notebook, .dib or .ipynb" };

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
    public (TimeSpan? Timeout, TimeSpan Grace) Limits(ParseResult arguments) =>
        (arguments.GetValue(_timeout), arguments.GetValue(_grace) ?? TimeSpan.FromSeconds(10));
}
