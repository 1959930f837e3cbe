using System.Globalization;
using NotebookLib.Html;
using NotebookLib.Lora;
using NotebookLib.Model;
using static NotebookLib.Platform.NumberText;

namespace NotebookLib.Display;

/// <summary>What a model is made of, what of it is trained, and what the file of weights did and did not bring; for LoRA what is adapted.</summary>
public static class ModelCard
{
    private const int NamesShown = 12;

    /// <summary>The card of a token classifier.</summary>
    /// <param name="model">The model, with frozen parts frozen and adapters attached.</param>
    /// <param name="report">What loading found.</param>
    /// <param name="name">What to call it, for instance <c>microsoft/deberta-v3-base</c>.</param>
    public static CardView Create(DebertaV2ForTokenClassification model, LoadReport report, string name)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(report);
        var config = model.Config;
        var positions = config.RelativeAttention
            ? $"relative, {string.Join(" and ", config.PosAttType)}, "
                + $"{(config.PositionBuckets > 0 ? $"{config.PositionBuckets} logarithmic buckets a side" : "one row per distance")}"
                + $"{(config.ShareAttKey ? ", shared keys" : "")}"
            : "absolute only";
        List<Fact> facts =
        [
            new("encoder", $"{config.NumHiddenLayers} layers, width {Count(config.HiddenSize)}, {config.NumAttentionHeads} heads of {config.HeadSize}, "
                + $"feed-forward {Count(config.IntermediateSize)}"),
            new("positions", positions),
            new("vocabulary", $"{Count(config.VocabSize)} pieces"),
            new("head", $"{config.Labels.Count} labels", string.Join(" ", config.Labels.Take(7)) + (config.Labels.Count > 7 ? " …" : "")),
            new("dropout", config.HiddenDropoutProb.ToString("0.##", CultureInfo.InvariantCulture)),
            .. CountFacts(model),
        ];
        var unexpected = report.Unexpected.Count == 0
            ? Array.Empty<string>() : [$"{report.Unexpected.Count} tensors of the checkpoint have no place here; see the table."];
        return new(name, facts)
        {
            Subtitle = "DeBERTa-v2/v3 for token classification",
            Warnings = [.. unexpected, .. report.Remarks],
            Tables = [Parts(model), Load(report)]
        };
    }

    /// <summary>What loading found, kind by kind.</summary>
    public static TableView Load(LoadReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        (string Kind, string Meaning)[] meanings =
            [("matched", "filled from the checkpoint"), ("missing", "not in the checkpoint, new"), ("unexpected", "in the checkpoint, no place here"),
                ("ignored", "belongs to another head, or is computed here")];
        return new(
            "Weights of the checkpoint",
            [new("weights"), new("tensors", true), new("meaning"), new("names")],
            [.. report.Kinds.Select(kind => new Row(
                [kind.Kind, Count(kind.Names.Count), new(meanings.FirstOrDefault(pair => pair.Kind == kind.Kind).Meaning ?? "", Mark.Dim),
                    new(kind.Kind == "matched" ? "" : Shortened(kind.Names), IsCode: true)]))],
            note: report.Source);
    }

    /// <summary>The card of adapters: which projections carry one, and how few numbers are trained.</summary>
    /// <param name="model">The model with adapters attached.</param>
    /// <param name="settings">The adapters' settings.</param>
    public static CardView Adapters(DebertaV2ForTokenClassification model, LoraSettings settings)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(settings);
        var adapted = model.named_modules().Where(pair => pair.module is IAdaptedLayer { Adapter: not null })
            .Select(pair => (pair.name, Projection: (IAdaptedLayer)pair.module)).ToList();
        var byTarget = adapted.GroupBy(pair => pair.name.Split('.')[^1]).Select(group => new Row(
        [
            new(group.Key, IsCode: true), Count(group.Count()),
            Count(group.Sum(pair => pair.Projection.Adapter!.parameters().Sum(parameter => parameter.numel()))),
            new(group.First().name + (group.Count() > 1 ? ", …" : ""), IsCode: true),
        ]));
        var adapters = LoraAdapters.Of(model);
        return new("Low-rank adapters", [
            new("adapted projections", Count(adapted.Count)), RankFact(settings, adapters?.Modules ?? []),
            .. KindOf(settings) is { Length: > 0 } kind ? [new("kind", kind)] : Array.Empty<Fact>(),
            .. adapters is null ? Array.Empty<Fact>() : [new("begin", adapters.Folder ?? "new, so that they change nothing")],
            .. CountFacts(model),
        ])
        {
            Subtitle = (settings.UsesMagnitudes
                ? "DoRA (Liu et al. 2024): y = m / ‖W + scale · B A‖ · (W + scale · B A) x + b; " : "LoRA (Hu et al. 2021): y = W x + b + scale · B A x; ")
                + (settings.Biases == TrainedBiases.None ? "W and b stay as they are." : "W stays as it is."),
            Warnings =
            [
                .. adapted.Count == 0 ? (string[])["No projection carries an adapter: nothing but what is listed as trained will move."] : [],
                .. adapters?.Remarks ?? [],
            ],
            Tables = [new("Adapted", [new("projection"), new("layers", true), new("parameters", true), new("first")], [.. byTarget])],
        };
    }

    private static Fact RankFact(LoraSettings settings, IReadOnlyList<AdaptedModule> modules)
    {
        var (ranks, scales) = (Range(modules.Select(module => (double)module.Rank), settings.Rank ?? 0),
            Range(modules.Select(module => module.Scale), settings.Scale));
        return new("rank", ranks, Invariant($"α {settings.Alpha}{(settings.AlphaPattern is { Count: > 0 } ? " where no pattern says otherwise" : "")}, ")
            + Invariant($"so scale {scales}; dropout {settings.Dropout}")
            + (settings.TrainsHeadOnly ? "; left as they begin: the head alone is trained" : ""));
    }

    private static string Range(IEnumerable<double> values, double usual)
    {
        var (least, most) = (values.DefaultIfEmpty(usual).Min(), values.DefaultIfEmpty(usual).Max());
        return least == most ? Invariant($"{least:0.##}") : Invariant($"{least:0.##} to {most:0.##}");
    }

    private static string KindOf(LoraSettings settings) => string.Join(", ", ((string?[])
    [
        settings.UsesMagnitudes ? "with magnitudes (DoRA)" : null,
        settings.UsesRankStabilisation ? "scaled by √rank (rsLoRA)" : null,
        settings.HasBias ? "B with a bias" : null,
        settings.Biases switch { TrainedBiases.Adapted => "the adapted layers' biases trained", TrainedBiases.All => "all biases trained", _ => null },
        settings.SavedModules is { } saved ? $"trained whole: {string.Join(", ", saved)}" : null,
        settings.TrainsHead ? null : "the head as the base has it",
    ]).OfType<string>());

    private static IEnumerable<Fact> CountFacts(DebertaV2ForTokenClassification model)
    {
        var parameters = model.parameters().ToList();
        var (total, trained) = (LoraAdapters.CountParameters(model),
            parameters.Where(parameter => parameter.requires_grad).Sum(parameter => parameter.numel()));
        var kept = total - parameters.Sum(parameter => parameter.numel());
        yield return new("parameters", Count(total),
            Invariant($"{parameters.Sum(parameter => parameter.numel() * parameter.element_size()) / (double)(1 << 20):N0} MiB")
            + (kept == 0 ? "" : $"; as PEFT counts, which keeps the {Count(kept)} of the head's beginning beside the trained ones"));
        yield return new("trained", Count(trained), Invariant($"{trained / (double)Math.Max(1, total):0.00 %} of all"));
    }

    private static TableView Parts(DebertaV2ForTokenClassification model) => new(
        "Parts",
        [new("part"), new("tensors", true), new("parameters", true), new("trained", true)],
        [.. model.named_parameters().GroupBy(pair => PartOf(pair.name)).Select(group => new Row(
            [group.Key, Count(group.Count()), Count(group.Sum(pair => pair.parameter.numel())),
                Count(group.Where(pair => pair.parameter.requires_grad).Sum(pair => pair.parameter.numel()))]))]);

    private static string PartOf(string name) => name switch
    {
        _ when name.Contains("lora_", StringComparison.Ordinal) => "adapters",
        _ when name.Contains("encoder.layer.", StringComparison.Ordinal) => "encoder layers",
        _ when name.Contains("rel_embeddings", StringComparison.Ordinal) || name.Contains("encoder.LayerNorm", StringComparison.Ordinal) =>
            "relative positions",
        _ when name.Contains("embeddings.", StringComparison.Ordinal) => "word embeddings",
        _ when name.StartsWith("classifier", StringComparison.Ordinal) => "head",
        _ => "other",
    };

    private static string Shortened(IReadOnlyList<string> names) =>
        string.Join(", ", names.Take(NamesShown)) + (names.Count > NamesShown ? $", … ({names.Count - NamesShown} more)" : "");
}
