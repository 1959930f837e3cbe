namespace NotebookLib.Tests;

/// <summary>
/// Tests that train under autocast and compare bits run one class after the other: libtorch keeps one cache of cast weights for the whole process, and the
/// end of one thread's scope empties it under the others, which moves the rounding of gradients.
/// </summary>
[CollectionDefinition(Name)]
public class AutocastTestGroup
{
    public const string Name = "autocast";
}
