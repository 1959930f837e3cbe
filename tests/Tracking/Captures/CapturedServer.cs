using System.Text.Json.Nodes;
using NotebookLib.Tests.Tracking.FakeWandb;

namespace NotebookLib.Tests.Tracking.Captures;

/// <summary>What W&amp;B's own client left on a server: its recorded requests, applied to the state of the fake server.</summary>
internal static class CapturedServer
{
    /// <summary>Applies the requests of captures, one after the other.</summary>
    public static FakeState Replay(params Capture[] captures)
    {
        var state = new FakeState();
        ReplayInto(state, captures);
        return state;
    }

    /// <summary>The same into a state that exists.</summary>
    public static void ReplayInto(FakeState state, params Capture[] captures)
    {
        var graphQL = new FakeGraphQL(state, () => "http://server");
        foreach (var exchange in captures.SelectMany(capture => capture.Exchanges).Where(exchange => exchange.WasApplied))
        {
            Apply(state, graphQL, exchange);
        }

        // What is theirs to answer for is not for a test of ours to find.
        state.Problems.Clear();
    }

    private static void Apply(FakeState state, FakeGraphQL graphQL, Exchange exchange)
    {
        if (exchange.Operation == "file_stream")
        {
            var parts = exchange.Url.AbsolutePath.Split('/');
            state.Stream(parts[2], parts[3], parts[4], exchange.Json);
        }
        else if (exchange.Operation == "storage")
        {
            var run = exchange.Query("run") is { } name ? state.Runs.Keys.Single(key => key.EndsWith("/" + name, StringComparison.Ordinal)) : null;
            state.Store(run, exchange.Query("artifact"), exchange.Query("manifest") is not null, exchange.Query("file"), exchange.Bytes,
                exchange.Header("content-md5"));
        }
        else if (!exchange.Operation.StartsWith("Probe", StringComparison.Ordinal))
        {
            graphQL.Answer(exchange.Operation, Newer(exchange));
        }
    }

    /// <summary>0.16.1 sends an artifact's fields flat, 0.31.0 in one input.</summary>
    private static JsonObject Newer(Exchange exchange)
    {
        var variables = exchange.Variables;
        if (exchange.Operation is not ("CreateArtifact" or "CreateArtifactFiles") || variables.ContainsKey("input"))
        {
            return variables;
        }

        var input = (JsonObject)variables.DeepClone();
        if (input["artifactCollectionNames"] is JsonArray names)
        {
            input["artifactCollectionName"] = names[0]!.DeepClone();
        }

        return new() { ["input"] = input };
    }
}
