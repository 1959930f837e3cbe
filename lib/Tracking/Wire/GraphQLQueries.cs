namespace NotebookLib.Tracking;

/// <summary>The GraphQL texts, in the shape of wandb 0.31, without the fields that we do not read.</summary>
internal static class GraphQLQueries
{
    public const string Viewer = "query Viewer { viewer { id entity username email } }";

    public const string ServerFeatures = "query ServerFeaturesQuery { serverInfo { features { name isEnabled } } }";

    public const string RunResumeStatus = """
        query RunResumeStatus($project: String, $entity: String, $name: String!) {
          model(name: $project, entityName: $entity) {
            id name entity { id name }
            bucket(name: $name, missingOk: true) {
              id name displayName config summaryMetrics logLineCount historyLineCount eventsLineCount historyTail eventsTail wandbConfig(keys: ["t"])
            }
          }
        }
        """;

    public const string UpsertBucket = """
        mutation UpsertBucket(
          $id: String, $name: String, $project: String, $entity: String, $groupName: String, $description: String, $displayName: String, $notes: String,
          $commit: String, $config: JSONString, $host: String, $debug: Boolean, $program: String, $repo: String, $jobType: String, $state: String,
          $sweep: String, $tags: [String!], $summaryMetrics: JSONString
        ) {
          upsertBucket(input: {
            id: $id, name: $name, modelName: $project, entityName: $entity, groupName: $groupName, description: $description, displayName: $displayName,
            notes: $notes, commit: $commit, config: $config, host: $host, debug: $debug, jobProgram: $program, jobRepo: $repo, jobType: $jobType,
            state: $state, sweep: $sweep, tags: $tags, summaryMetrics: $summaryMetrics
          }) {
            bucket { id name displayName project { id name entity { id name } } historyLineCount }
            inserted
          }
        }
        """;

    public const string CreateRunFiles = """
        mutation CreateRunFiles($entity: String!, $project: String!, $run: String!, $files: [String!]!) {
          createRunFiles(input: { entityName: $entity, projectName: $project, runName: $run, files: $files }) {
            runID uploadHeaders files { name uploadUrl }
          }
        }
        """;

    public const string ArtifactType = """
        query ArtifactType($entity: String, $project: String, $name: String!) {
          project(name: $project, entityName: $entity) { artifact(name: $name) { artifactType { name } } }
        }
        """;

    public const string CreateArtifact = """
        mutation CreateArtifact($input: CreateArtifactInput!) {
          createArtifact(input: $input) { artifact { id state artifactSequence { latestArtifact { id } } } }
        }
        """;

    public const string CreateArtifactManifest = """
        mutation CreateArtifactManifest(
          $artifactID: ID!, $baseArtifactID: ID, $name: String!, $digest: String!, $entityName: String!, $projectName: String!, $runName: String!,
          $manifestType: ArtifactManifestType!, $includeUpload: Boolean!
        ) {
          createArtifactManifest(input: {
            artifactID: $artifactID, baseArtifactID: $baseArtifactID, name: $name, digest: $digest, entityName: $entityName, projectName: $projectName,
            runName: $runName, type: $manifestType
          }) {
            artifactManifest { id file { id uploadUrl @include(if: $includeUpload) uploadHeaders @include(if: $includeUpload) } }
          }
        }
        """;

    public const string CreateArtifactFiles = """
        mutation CreateArtifactFiles($input: CreateArtifactFilesInput!) {
          createArtifactFiles(input: $input) { files { edges { node { storagePath uploadUrl uploadHeaders artifact { id } } } } }
        }
        """;

    public const string CommitArtifact =
        "mutation CommitArtifact($artifactID: ID!) { commitArtifact(input: { artifactID: $artifactID }) { artifact { id digest } } }";
}
