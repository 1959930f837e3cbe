using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using NotebookLib.Kernels.Cuda;

namespace NotebookLib.Tests.Kernels.Emulation;

/// <summary>The device's kernels without a device: the source that NVRTC would get, compiled by g++, each block as fibers (<c>emulate.cpp</c>).</summary>
internal sealed unsafe class EmulatedProgram : IDeviceProgram
{
    private static readonly Lazy<nint> Library = new(Compile);

    private readonly List<string> _launches = [];

    /// <summary>A program that has launched nothing yet; the test is skipped, visibly, where there is no compiler for it.</summary>
    public EmulatedProgram()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64,
            "the emulation of CUDA's blocks is written for Linux on x86-64");
        Assert.SkipUnless(HasCompiler(), "needs g++ to compile CUDA's kernels for the CPU (Debian: apt-get install g++)");
    }

    /// <summary>Names of the kernels, in the order of their launches.</summary>
    public IReadOnlyList<string> Launches => _launches;

    public void Launch(string kernel, (int X, int Y, int Z) grid, int threads, ReadOnlySpan<nint> arguments)
    {
        var emulate = (delegate* unmanaged<byte*, int, int, int, int, nint*, int>)NativeLibrary.GetExport(Library.Value, "emulate");
        // The threads' indices are global there.
        lock (Library)
        {
            _launches.Add(kernel);
            fixed (byte* name = Encoding.ASCII.GetBytes(kernel + "\0"))
            fixed (nint* pointers = arguments)
            {
                Assert.True(emulate(name, grid.X, grid.Y, grid.Z, threads, pointers) == 0, $"emulate.cpp does not list {kernel}");
            }
        }
    }

    private static bool HasCompiler() =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, "g++")));

    private static nint Compile()
    {
        var folder = Directory.CreateTempSubdirectory("emulated-kernels-").FullName;
        try
        {
            string source = Path.Combine(folder, "layers.cu"), library = Path.Combine(folder, "libemulated.so");
            File.WriteAllText(source, CudaProgram.Source);
            using var compiler = Process.Start(new ProcessStartInfo("g++",
                ["-std=c++17", "-O1", "-ffp-contract=off", "-w", "-shared", "-fPIC", $"-DSOURCE=\"{source}\"", "-o", library,
                    Repository.PathOf("tests", "Kernels", "Emulation", "emulate.cpp")])
            {
                RedirectStandardError = true,
            })!;
            var problems = compiler.StandardError.ReadToEnd();
            compiler.WaitForExit();
            Assert.True(compiler.ExitCode == 0, problems);
            return NativeLibrary.Load(library);
        }
        finally
        {
            // What is loaded stays mapped.
            Directory.Delete(folder, recursive: true);
        }
    }
}
