namespace NotebookLib.Results;

/// <summary>The data sets that the profiles read, by the names under which a run's row records them.</summary>
internal static class ProfileData
{
    /// <summary>The sentences that this repository brings.</summary>
    public const string Sample = "the repository's own sample";

    /// <summary>MultiNERD, by its name on the Hub.</summary>
    public const string MultiNerd = "Babelscape/multinerd";

    /// <summary>Some of MultiNERD's sentences.</summary>
    public const string MultiNerdPart = "a part of " + MultiNerd;

    /// <summary>False for data that a user brought: no published number belongs beside them.</summary>
    /// <param name="name">A row's data; empty in a row that does not say.</param>
    public static bool Has(string name) => name is "" or Sample or MultiNerd or MultiNerdPart;

    /// <summary>The name as a table's cell has room for it.</summary>
    /// <param name="name">A row's data.</param>
    public static string ShortName(string name) => name switch
    {
        Sample => "sample",
        MultiNerd => "MultiNERD",
        MultiNerdPart => "part of MultiNERD",
        _ => name,
    };
}
