using System.Text.Json.Nodes;
using NotebookLib.Platform;
using NotebookLib.Results;

namespace NotebookLib.Tests.Results;

[Collection(nameof(RunScoresTests))]
[CollectionDefinition(nameof(RunScoresTests), DisableParallelization = true)]
public class RunScoresTests
{
    [Fact]
    public void Scores_go_to_the_folder_that_the_runner_names_and_nowhere_else()
    {
        Assert.Null(RunScores.Publish([KeyValuePair.Create("F1", 1.0)]));
        var folder = Directory.CreateTempSubdirectory();
        Environment.SetEnvironmentVariable(HostContract.OutputVariable, folder.FullName);
        try
        {
            var path = RunScores.Publish(
                new RunRow { RunId = "r", Started = DateTimeOffset.UnixEpoch, System = "base-A", Profile = "demo", TestF1 = 0.91, TestRecall = double.NaN });

            Assert.Equal("""{"test F1":0.91}""", JsonNode.Parse(File.ReadAllText(path!))!.ToJsonString());
        }
        finally
        {
            Environment.SetEnvironmentVariable(HostContract.OutputVariable, null);
            folder.Delete(recursive: true);
        }
    }
}
