using System.Text.Json.Nodes;

namespace NotebookLib.Tests.Tracking.FakeWandb;

/// <summary>The operations of the fake server's /graphql.</summary>
internal sealed class FakeGraphQL(FakeState state, Func<string> baseUrl)
{
    /// <summary>Answers one call.</summary>
    public JsonObject Answer(string operation, JsonObject variables) => state.Locked(() => operation switch
    {
        "Viewer" =>
            Data(new()
            {
                ["viewer"] = new JsonObject { ["id"] = "VXNlcjox", ["entity"] = state.DefaultEntity, ["username"] = "mock", ["email"] = "mock@server.test" }
            }),
        "ServerFeaturesQuery" => Data(new()
        {
            ["serverInfo"] = new JsonObject
            {
                ["features"] = new JsonArray([.. state.Features.Select(name => new JsonObject { ["name"] = name, ["isEnabled"] = true })]),
            },
        }),
        "RunResumeStatus" => ResumeStatus(variables),
        "UpsertBucket" => Upsert(variables),
        "CreateRunFiles" => CreateRunFiles(variables),
        "ArtifactType" => ArtifactType(variables),
        "CreateArtifact" => CreateArtifact((JsonObject)variables["input"]!),
        "CreateArtifactManifest" => CreateManifest(variables),
        "CreateArtifactFiles" => CreateArtifactFiles((JsonObject)variables["input"]!),
        "CommitArtifact" => Commit(variables),
        _ => Error($"unknown operation {operation}"),
    });

    private JsonObject Upsert(JsonObject variables)
    {
        var entity = Text(variables, "entity") ?? state.DefaultEntity;
        var project = Text(variables, "project")!;
        var name = Text(variables, "name")!;
        if (!state.Entities.Contains(entity))
        {
            return Error($"permission denied: entity {entity} not found");
        }

        if (!state.AcceptsProject(project))
        {
            return Error($"project {project} is not accepted");
        }

        var key = $"{entity}/{project}/{name}";
        var inserted = !state.Runs.TryGetValue(key, out var run);
        state.Runs[key] = run ??= new FakeRun { StorageId = FakeState.Id("Run:v1:" + key), Entity = entity, Project = project, Name = name };
        run.Upserts++;
        foreach (var (variable, value)
            in variables.Where(pair => pair.Value is not null && pair.Key is not ("config" or "name" or "project" or "entity" or "id")))
        {
            run.Fields[variable] = value!.DeepClone();
        }

        run.IsComplete = false;
        run.DisplayName = Text(variables, "displayName") ?? run.DisplayName ?? "lovely-dawn-32";
        run.Config = Text(variables, "config") is { } config ? (JsonObject)JsonNode.Parse(config)! : run.Config;
        return Data(new()
        {
            ["upsertBucket"] = new JsonObject
            {
                ["bucket"] = new JsonObject
                {
                    ["id"] = run.StorageId,
                    ["name"] = name,
                    ["displayName"] = run.DisplayName,
                    ["project"] = new JsonObject { ["id"] = "UHI=", ["name"] = project, ["entity"] = new JsonObject { ["id"] = "RW4=", ["name"] = entity } },
                    ["historyLineCount"] = run.LineCount("wandb-history.jsonl"),
                },
                ["inserted"] = inserted,
            },
        });
    }

    private JsonObject ResumeStatus(JsonObject variables)
    {
        var entity = Text(variables, "entity") ?? state.DefaultEntity;
        var project = Text(variables, "project");
        JsonObject? bucket = null;
        if (state.Runs.TryGetValue($"{entity}/{project}/{Text(variables, "name")}", out var run))
        {
            bucket = new JsonObject
            {
                ["id"] = run.StorageId,
                ["name"] = run.Name,
                ["displayName"] = run.DisplayName,
                ["summaryMetrics"] = run.Summary,
                ["config"] = run.Config.ToJsonString(),
                ["historyLineCount"] = run.LineCount("wandb-history.jsonl"),
                ["eventsLineCount"] = run.LineCount("wandb-events.jsonl"),
                ["logLineCount"] = run.LineCount("output.log"),
                ["historyTail"] = run.Tail("wandb-history.jsonl").ToJsonString(),
                ["eventsTail"] = run.Tail("wandb-events.jsonl").ToJsonString(),
                ["wandbConfig"] = "{}",
            };
        }

        return Data(new() { ["model"] = new JsonObject { ["name"] = project, ["entity"] = new JsonObject { ["name"] = entity }, ["bucket"] = bucket } });
    }

    private JsonObject CreateRunFiles(JsonObject variables)
    {
        var key = $"{Text(variables, "entity")}/{Text(variables, "project")}/{Text(variables, "run")}";
        return Data(new()
        {
            ["createRunFiles"] = new JsonObject
            {
                ["runID"] = state.Runs[key].StorageId,
                ["uploadHeaders"] = new JsonArray(),
                ["files"] = new JsonArray([.. ((JsonArray)variables["files"]!).Select(name => new JsonObject
                {
                    ["name"] = name!.GetValue<string>(),
                    ["uploadUrl"] = $"{baseUrl()}/storage?run={Uri.EscapeDataString(key)}"
                        + $"&file={Uri.EscapeDataString(name!.GetValue<string>())}&sig=a%2Fb%7Ec%3D%3D",
                })]),
            },
        });
    }

    private JsonObject ArtifactType(JsonObject variables)
    {
        var collection = Text(variables, "name")!.Split(':')[0];
        var known = state.Artifacts.FirstOrDefault(artifact => artifact.Collection == collection && artifact.IsCommitted);
        return Data(new()
        {
            ["project"] = new JsonObject
            {
                ["artifact"] = known is null
                ? null : new JsonObject { ["artifactType"] = new JsonObject { ["name"] = known.Type } }
            },
        });
    }

    private JsonObject CreateArtifact(JsonObject input)
    {
        var collection = Text(input, "artifactCollectionName")!;
        var digest = Text(input, "digest")!;
        var same = state.Artifacts.FirstOrDefault(artifact => artifact.Collection == collection && artifact.Digest == digest
            && (artifact.IsCommitted || artifact.ClientId == Text(input, "clientID")));
        var latest = state.Artifacts.LastOrDefault(artifact => artifact.Collection == collection && artifact.IsCommitted);
        if (same is null)
        {
            var version = state.Artifacts.Count(artifact => artifact.Collection == collection);
            same = new FakeArtifact
            {
                Id = FakeState.Id($"Artifact:{state.Artifacts.Count + 1}"),
                Collection = collection,
                Type = Text(input, "artifactTypeName")!,
                Digest = digest,
                ClientId = Text(input, "clientID")!,
                Version = version,
                Metadata = Text(input, "metadata"),
                Description = Text(input, "description"),
            };
            state.Artifacts.Add(same);
        }

        same.Aliases.UnionWith(((JsonArray)input["aliases"]!).Select(alias => Text((JsonObject)alias!, "alias")!));
        return Data(new()
        {
            ["createArtifact"] = new JsonObject
            {
                ["artifact"] = new JsonObject
                {
                    ["id"] = same.Id,
                    ["state"] = same.IsCommitted ? "COMMITTED" : "PENDING",
                    ["artifactSequence"] = new JsonObject { ["latestArtifact"] = latest is null ? null : new JsonObject { ["id"] = latest.Id } },
                },
            },
        });
    }

    private JsonObject CreateManifest(JsonObject variables)
    {
        var artifact = Artifact(variables);
        var upload = variables["includeUpload"]!.GetValue<bool>();
        var file = new JsonObject { ["id"] = FakeState.Id("File:" + artifact.Id) };
        if (upload)
        {
            file["uploadUrl"] = $"{baseUrl()}/storage?artifact={Uri.EscapeDataString(artifact.Id)}&manifest=1&file=wandb_manifest.json";
            file["uploadHeaders"] = new JsonArray();
        }

        return Data(new()
        {
            ["createArtifactManifest"] = new JsonObject
            {
                ["artifactManifest"] =
                new JsonObject { ["id"] = FakeState.Id("Manifest:" + artifact.Id), ["file"] = file }
            },
        });
    }

    /// <summary>
    /// A file whose digest the collection's committed versions hold is not asked for again; the id is the new version's, as in 031-c-artifact:20.
    /// </summary>
    private JsonObject CreateArtifactFiles(JsonObject input) => Data(new()
    {
        ["createArtifactFiles"] = new JsonObject
        {
            ["files"] = new JsonObject
            {
                ["edges"] = new JsonArray([.. ((JsonArray)input["artifactFiles"]!).Select(spec => Edge((JsonObject)spec!))]),
            },
        },
    });

    private JsonObject Edge(JsonObject spec)
    {
        var artifact = Artifact(spec);
        var (name, md5) = (Text(spec, "name")!, Text(spec, "md5")!);
        artifact.Digests[name] = md5;
        var older = state.Artifacts.FirstOrDefault(other =>
            other.IsCommitted && other.Collection == artifact.Collection && other.Digests.GetValueOrDefault(name) == md5);
        return new JsonObject
        {
            ["node"] = new JsonObject
            {
                ["storagePath"] = "wandb_artifacts/" + name,
                ["uploadUrl"] = older is null ? $"{baseUrl()}/storage?artifact={Uri.EscapeDataString(artifact.Id)}&file={Uri.EscapeDataString(name)}" : null,
                ["uploadHeaders"] = new JsonArray("Content-MD5:" + md5),
                ["artifact"] = new JsonObject { ["id"] = artifact.Id },
            },
        };
    }

    private JsonObject Commit(JsonObject variables)
    {
        var artifact = Artifact(variables);
        if (artifact.Manifest is null)
        {
            state.Problems.Add($"{artifact.Collection}: committed without a manifest");
        }

        artifact.IsCommitted = true;
        return Data(new() { ["commitArtifact"] = new JsonObject { ["artifact"] = new JsonObject { ["id"] = artifact.Id, ["digest"] = artifact.Digest } } });
    }

    private FakeArtifact Artifact(JsonObject variables) => state.Artifacts.Single(artifact => artifact.Id == Text(variables, "artifactID"));

    private static string? Text(JsonObject node, string name) => node[name]?.GetValue<string>();

    private static JsonObject Data(JsonObject data) => new() { ["data"] = data };

    private static JsonObject Error(string message) => new() { ["data"] = null, ["errors"] = new JsonArray(new JsonObject { ["message"] = message }) };
}
