namespace NotebookLib.Hub;

/// <summary>What a repository holds.</summary>
public enum HubRepoKind
{
    /// <summary>A model or an adapter.</summary>
    Model,

    /// <summary>A data set.</summary>
    Dataset,
}

/// <summary>A repository of the Hub.</summary>
public sealed record HubRepo
{
    /// <summary>Names a repository.</summary>
    /// <param name="name"><c>org/name</c>, or <c>name</c> alone for the oldest ones.</param>
    /// <param name="kind">What it holds.</param>
    /// <exception cref="ArgumentException">The name does not have that form.</exception>
    public HubRepo(string name, HubRepoKind kind = HubRepoKind.Model)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!HubNames.IsRepository(name))
        {
            throw new ArgumentException($"\"{HubNames.Excerpt(name)}\" is no repository's name; expected org/name of letters, "
                + "digits and single - _ . between them");
        }

        (Name, Kind) = (name, kind);
    }

    /// <summary><c>org/name</c>.</summary>
    public string Name { get; }

    /// <summary>What it holds.</summary>
    public HubRepoKind Kind { get; }

    /// <summary>Its folder in the cache, as Python names it.</summary>
    internal string CacheName => $"{Plural}--{Name.Replace("/", "--", StringComparison.Ordinal)}";

    /// <summary>Its pages' path: the kind stands in front except for models.</summary>
    internal string PagePath => Kind == HubRepoKind.Model ? Name : $"{Plural}/{Name}";

    /// <summary>Its path in the API.</summary>
    internal string ApiPath => $"api/{Plural}/{Name}";

    private string Plural => Kind == HubRepoKind.Model ? "models" : "datasets";

    /// <inheritdoc/>
    public override string ToString() => Kind == HubRepoKind.Model ? Name : $"dataset {Name}";

    /// <summary>Splits <c>org/name@revision</c>.</summary>
    /// <exception cref="ArgumentException">It has another form.</exception>
    internal static (HubRepo Repo, string Revision) Parse(string text, HubRepoKind kind = HubRepoKind.Model)
    {
        var at = text.IndexOf('@', StringComparison.Ordinal);
        var revision = at < 0 ? "main" : text[(at + 1)..];
        return HubNames.IsRevision(revision)
            ? (new HubRepo(at < 0 ? text : text[..at], kind), revision)
            : throw new ArgumentException($"\"{HubNames.Excerpt(text)}\": behind the @ stands no branch, tag or commit; expected org/name@revision");
    }
}
