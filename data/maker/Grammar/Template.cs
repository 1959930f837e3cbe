namespace NotebookLib.SampleMaker.Grammar;

/// <summary>A parsed shape or an alternative of a rule: parts in reading order; parts that no blank separates are glued into one word.</summary>
public abstract record Part;

/// <summary>Literal text, blanks included.</summary>
public sealed record Literal(string Text) : Part;

/// <summary><c>{name}</c>, <c>{name+s}</c>, <c>{name#1}</c>: a rule, a list or one of the built-in names.</summary>
/// <param name="Name">Rule, list or built-in name.</param>
/// <param name="IsPlural">Draw the plural form.</param>
/// <param name="Key">What the drawn person is remembered as, or null.</param>
public sealed record Reference(string Name, bool IsPlural, string? Key) : Part;

/// <summary><c>{int 1 9}</c>, <c>{ordinal 1 9}</c>, <c>{thousands 1000 9000}</c>, <c>{decimal 1 9}</c>: a number from the range, ends included.</summary>
public sealed record Number(string Form, int Lowest, int Highest) : Part;

/// <summary><c>[this|that|]</c>: one of the alternatives.</summary>
public sealed record Choice(IReadOnlyList<Template> Alternatives) : Part;

/// <summary><c>&lt;LOC Mount {PER.last}&gt;</c>: everything inside is one entity.</summary>
public sealed record Labelled(string Type, Template Inside) : Part;

/// <summary>A sequence of parts, with the source for messages.</summary>
public sealed record Template(string Source, IReadOnlyList<Part> Parts);
