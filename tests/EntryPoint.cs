using NotebookLib.Tests.Fuzzing;
using Xunit.MicrosoftTestingPlatform;
using Xunit.Runner.InProc.SystemConsole;

namespace NotebookLib.Tests;

/// <summary>The test program's start: xunit's own, and beside it the long form of the fuzzer.</summary>
internal static class EntryPoint
{
    public static int Main(string[] args) => args switch
    {
        [FuzzProgram.Verb, ..] => FuzzProgram.Start(args[1..]),
        [FuzzProgram.ChildVerb, ..] => FuzzProgram.StartOne(args[1..]),
        // What xunit.v3 would generate.
        _ when args.Any(argument => argument is "--server" or "--internal-msbuild-node") =>
            TestPlatformTestFramework.RunAsync(args, SelfRegisteredExtensions.AddSelfRegisteredExtensions).GetAwaiter().GetResult(),
        _ => ConsoleRunner.Run(args).GetAwaiter().GetResult(),
    };
}
