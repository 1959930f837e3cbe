using Xunit.v3;

namespace NotebookLib.Tests;

/// <summary>
/// Tests from outside, as a user starts things: the runner and its kernel, packages, ranks. They take most of the suite's time;
/// <c>dotnet test --project tests -- --filter-not-trait Starts=processes</c> leaves them out while one develops.
/// </summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
internal sealed class StartsProcessesAttribute : Attribute, ITraitAttribute
{
    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() => [new("Starts", "processes")];
}
