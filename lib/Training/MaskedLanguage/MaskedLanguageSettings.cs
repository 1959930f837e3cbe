namespace NotebookLib.Training;

/// <summary>What masked-language pre-training decides besides <see cref="TrainingSettings"/> (Devlin et al. 2019 §3.1).</summary>
public sealed record MaskedLanguageSettings
{
    /// <summary>Id of <c>[MASK]</c>.</summary>
    public required int MaskId { get; init; }

    /// <summary>
    /// Ids that are never masked and never put in a piece's place: padding, <c>[CLS]</c>, <c>[SEP]</c>, <c>[UNK]</c>; <see cref="MaskId"/> is one of them
    /// anyhow.
    /// </summary>
    public IReadOnlyList<int> SpecialIds { get; init; } = [0, 1, 2, 3];

    /// <summary>Share of the pieces to guess.</summary>
    public double GuessedShare { get; init; } = 0.15;

    /// <summary>Share of the guessed pieces that become <c>[MASK]</c>.</summary>
    public double MaskedShare { get; init; } = 0.8;

    /// <summary>Share of the guessed pieces that become a random piece; the rest stays as it is.</summary>
    public double RandomShare { get; init; } = 0.1;

    /// <summary>Tells whether a piece begins a word; words are then guessed whole. Null guesses piece by piece.</summary>
    public Func<int, bool>? IsWordStart { get; init; }

    /// <summary>Finds every contradiction.</summary>
    /// <param name="vocabularySize">Pieces of the model's vocabulary.</param>
    public IReadOnlyList<string> FindFaults(int vocabularySize)
    {
        var faults = new List<string>();
        if (MaskId < 0 || MaskId >= vocabularySize)
        {
            faults.Add(Invariant($"MaskId is {MaskId}; expected an id of the vocabulary, 0 to {vocabularySize - 1}."));
        }

        if (GuessedShare is not (> 0 and <= 1))
        {
            faults.Add(Invariant($"GuessedShare is {GuessedShare}; expected above 0 and at most 1, for instance 0.15."));
        }

        if (MaskedShare is not (>= 0 and <= 1) || RandomShare is not (>= 0 and <= 1) || MaskedShare + RandomShare > 1)
        {
            faults.Add(Invariant($"MaskedShare and RandomShare are {MaskedShare} and {RandomShare}; expected two shares of at most 1 together, ")
                + "for instance 0.8 and 0.1.");
        }

        return faults;
    }
}
