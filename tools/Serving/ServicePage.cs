extern alias lib;

using System.Net;
using System.Text;
using System.Text.Json;
using lib::NotebookLib.Inference;
using NotebookRunner.Pages;
using static NotebookLib.Platform.NumberText;

namespace NotebookRunner.Serving;

/// <summary>
/// The page for people: a text, its entities in colour, and what the model is. Its style and script are files of the server's own; nothing else is loaded.
/// </summary>
internal sealed class ServicePage
{
    /// <summary>The header <c>Content-Security-Policy</c> of all answers: style, script and requests of this server alone, nothing inline, no frames.</summary>
    public const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
            + "frame-ancestors 'none'";

    // People, places and things of several kinds, so that most label sets find something to show.
    private static readonly (string Name, string Text)[] Examples =
    [
        ("People and places", "Marie Curie was born in Warsaw and moved to Paris, where she discovered radium with Pierre Curie."),
        ("Football", "Lionel Messi left Barcelona for Paris Saint-Germain in August 2021, before Argentina won the World Cup in Qatar."),
        ("Animals and food", "The grey wolf hunts red deer in Poland; its cousin in Italy is said to prefer pasta and Parmesan."),
        ("Science and films", "Doctors at Oxford University study malaria, while Stanley Kubrick's 2001: A Space Odyssey shows Jupiter in a new light."),
    ];

    private static readonly (string Name, string Meaning)[] Strategies =
    [
        ("words", "punctuation apart, as scored"), ("first", "a word's first piece"), ("average", "a word's mean"), ("max", "a word's surest piece"),
        ("simple", "pieces alike"), ("none", "every piece"),
    ];

    private ServicePage(string html) => Html = Encoding.UTF8.GetBytes(html);

    /// <summary>The style sheet, <c>/serve.css</c>.</summary>
    public static byte[] Style { get; } = Encoding.UTF8.GetBytes(PageAssets.StyleOf("serve.css"));

    /// <summary>The script, <c>/serve.js</c>.</summary>
    public static byte[] Script { get; } = Encoding.UTF8.GetBytes(PageAssets.Read("serve.js"));

    /// <summary>The page.</summary>
    public byte[] Html { get; }

    /// <summary>Makes the page of a model.</summary>
    /// <param name="tagger">The model.</param>
    /// <param name="name">What it is called.</param>
    /// <param name="scores">What its run scored, under what that was counted on; may be empty.</param>
    /// <param name="settings">Its limits are told.</param>
    public static ServicePage Create(EntityTagger tagger, string name, IReadOnlyList<(string Title, IReadOnlyList<(string Name, double Value)> Scores)> scores,
        ServerSettings settings) => new($"""
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>{Escape(name)} · named entities</title>
        <link rel="icon" href="data:,">
        <link rel="stylesheet" href="serve.css">
        <script src="serve.js"></script>
        </head>
        <body data-types="{Escape(JsonSerializer.Serialize(tagger.Labels.Types))}">
        <header>
        <h1>{Escape(name)}</h1>
        <button type="button" id="theme" aria-label="Switch between light and dark">Dark</button>
        </header>
        <main>
        <form id="ask">
        <label for="text">Text</label>
        <textarea id="text" rows="5" dir="auto" spellcheck="false" aria-describedby="hint">{Escape(Examples[0].Text)}</textarea>
        <div class="examples" role="group" aria-label="Examples">{string.Concat(Examples.Select(example => $"<button type=\"button\" class=\"example\" data-text=\"{Escape(example.Text)}\">{Escape(example.Name)}</button>"))}</div>
        <div class="controls">
        <label>Way <select id="strategy">{string.Concat(Strategies.Where(way => way.Name != "words" || TagsWords(tagger)).Select(way => $"<option value=\"{way.Name}\">{way.Name}: {way.Meaning}</option>"))}</select></label>
        <label>Score at least <input type="number" id="threshold" min="0" max="1" step="0.05" value="0"></label>
        <button type="submit" class="main">Find entities</button>
        </div>
        <p id="hint" class="quiet">Ctrl+Enter finds entities too, and so does a pause while you type. The text goes to this server alone and is kept nowhere.</p>
        </form>
        <section aria-labelledby="result-title">
        <h2 id="result-title">Entities</h2>
        <p id="status" role="status" aria-live="polite" class="quiet">Nothing was asked yet.</p>
        <p id="fault" role="alert" class="fault" hidden></p>
        <div id="marked" class="marked" dir="auto" hidden></div>
        <div id="found" class="scroll" hidden tabindex="0" role="region" aria-label="Table of entities"><table><thead><tr><th scope="col">Entity</th><th scope="col">Type</th><th scope="col" class="number">Score</th><th scope="col" class="number">Place</th></tr></thead><tbody id="rows"></tbody></table></div>
        </section>
        <section aria-labelledby="card-title">
        <h2 id="card-title">The model</h2>
        <dl>
        {string.Join('\n', Facts(tagger).Select(fact => $"<div><dt>{fact.Name}</dt><dd>{Escape(fact.Value)}</dd></div>"))}
        </dl>
        <h3>Types</h3>
        <ul class="types">{string.Concat(tagger.Labels.Types.Select((type, i) => $"<li><span class=\"entity {ColorOf(i)}\">{Escape(type)}</span></li>"))}</ul>
        {ScoresHtml(scores)}
        </section>
        <section aria-labelledby="program-title">
        <h2 id="program-title">From a program</h2>
        <p>This server speaks the Hub's inference protocol; at most {Count(settings.MostTexts)} texts and {Count(settings.MostBytes)} bytes in one request. Places count characters (code points).</p>
        <pre aria-label="The request as a command"><code id="curl"></code></pre>
        <p class="quiet"><a href="health">health</a> · <a href="metrics">metrics</a></p>
        </section>
        </main>
        </body>
        </html>

        """);

    private static IEnumerable<(string Name, string Value)> Facts(EntityTagger tagger)
    {
        yield return ("labels", TagsWords(tagger) ? $"{tagger.Scorer.Labels.Count}: O, and B and I of each type" : string.Join(" ", tagger.Scorer.Labels));
        if (tagger.Scorer is ModelPieceScorer { Model: var model })
        {
            var config = model.Config;
            yield return ("network", $"DeBERTa, {config.NumHiddenLayers} layers, width {Count(config.HiddenSize)}, {config.NumAttentionHeads} heads");
            yield return ("vocabulary", $"{Count(config.VocabSize)} pieces");
            yield return ("parameters", Count(model.parameters().Sum(parameter => parameter.numel())));
            yield return ("computes on", model.Classifier.Weight.device.ToString());
        }
    }

    private static string ScoresHtml(IReadOnlyList<(string Title, IReadOnlyList<(string Name, double Value)> Scores)> groups) =>
        string.Concat(groups.Select(group =>
        $"<h3>Scores: {Escape(group.Title)}</h3><dl class=\"scores\">"
            + $"{string.Concat(group.Scores.Select(score => $"<div><dt>{Escape(score.Name)}</dt><dd>{Short(score.Value)}</dd></div>"))}</dl>"));

    private static bool TagsWords(EntityTagger tagger) => tagger.Scorer.Labels.All(label => label == "O" || (label.Length > 2 && label[..2] is "B-" or "I-"));

    /// <summary>The class that colours a type, by its place in the label set; serve.js counts the same.</summary>
    private static string ColorOf(int type) => Invariant($"c{type % 7}{(type / 7 % 2 == 1 ? " again" : "")}");

    private static string Escape(string text) => WebUtility.HtmlEncode(text);
}
