// swift-tools-version: 6.3
import PackageDescription

/// APUS_WERROR=1, as CI has it, makes warnings errors. (As flags of the command they would reach the dependencies too.)
let isStrict = Context.environment["APUS_WERROR"] == "1"

/// Settings shared by every Swift target.
let swiftSettings: [SwiftSetting] =
    (isStrict ? [.treatAllWarnings(as: .error)] : []) + [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ]

let package = Package(
    name: "apus",
    products: [
        .library(name: "Apus", targets: ["Apus"]),
        .executable(name: "apus", targets: ["ApusExecutable"]),
        .executable(name: "apus-server", targets: ["ApusServerExecutable"]),
        .library(name: "ApusServer", targets: ["ApusServer"]),
        // Becomes libapus.so.1, by the flags that Sources/CApus/CMakeLists.txt has.
        .library(name: "ApusC", type: .dynamic, targets: ["ApusC"]),
    ],
    traits: [
        .trait(name: "OpenMP", description: "Run the kernels on libomp's threads; without it on a pthread team."),
        .trait(
            name: "LineEditing", description: "Edit the lines of `apus chat` with libedit; without it as they come."),
        .default(enabledTraits: ["OpenMP", "LineEditing"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        // Without its traits: those bring the whole of Foundation, which takes time at the start.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .target(
            name: "CKernels",
            path: "CKernels",
            exclude: ["CMakeLists.txt", "cmake"],
            cSettings: (isStrict ? [.treatAllWarnings(as: .error)] : []) + [
                .headerSearchPath("."),
                .define("APUS_OPENMP", .when(traits: ["OpenMP"])),
                .unsafeFlags(["-fopenmp"], .when(traits: ["OpenMP"])),
            ],
            linkerSettings: [
                .linkedLibrary("m", .when(platforms: [.linux])),
                .linkedLibrary("omp5", .when(traits: ["OpenMP"])),
            ]
        ),
        .target(
            name: "CApus", exclude: ["CMakeLists.txt", "apus.abi", "apus.map", "apus.pc.in"],
            cSettings: isStrict ? [.treatAllWarnings(as: .error)] : []),
        .target(name: "ApusGGUF", swiftSettings: swiftSettings),
        .target(name: "ApusJSON", dependencies: ["ApusGGUF"], swiftSettings: swiftSettings),
        .target(name: "ApusTemplate", dependencies: ["ApusJSON", "ApusGGUF"], swiftSettings: swiftSettings),
        .target(name: "ApusTokenizer", dependencies: ["ApusGGUF"], swiftSettings: swiftSettings),
        .target(name: "ApusModel", dependencies: ["ApusGGUF", "CKernels"], swiftSettings: swiftSettings),
        .target(
            name: "Apus", dependencies: ["ApusModel", "ApusTokenizer", "ApusTemplate", "ApusJSON", "ApusGGUF"],
            swiftSettings: swiftSettings),
        .target(
            name: "ApusAPI",
            dependencies: ["Apus", "ApusModel", "ApusTokenizer", "ApusTemplate", "ApusJSON", "ApusGGUF"],
            swiftSettings: swiftSettings),
        .target(
            name: "ApusC",
            dependencies: [
                "CApus", "ApusAPI", "Apus", "ApusModel", "ApusTokenizer", "ApusTemplate", "ApusJSON", "ApusGGUF",
            ],
            swiftSettings: swiftSettings),
        .target(
            name: "ApusServer",
            dependencies: [
                "ApusAPI", "Apus", "ApusModel", "ApusTokenizer", "ApusTemplate", "ApusJSON", "ApusGGUF",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: swiftSettings),
        .systemLibrary(name: "CEdit", providers: [.apt(["libedit-dev"])]),
        .executableTarget(name: "ApusExecutable", dependencies: ["ApusCLI"], swiftSettings: swiftSettings),
        .executableTarget(name: "ApusServerExecutable", dependencies: ["ApusCLI"], swiftSettings: swiftSettings),
        .target(
            name: "ApusCLI",
            dependencies: [
                "Apus", "ApusModel", "ApusTokenizer", "ApusTemplate", "ApusJSON", "ApusGGUF", "ApusServer",
                .product(name: "Logging", package: "swift-log"),
                .target(name: "CEdit", condition: .when(traits: ["LineEditing"])),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "ApusGGUFTests", dependencies: ["ApusGGUF"], exclude: ["gguf_oracle.py"], swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "ApusTokenizerTests", dependencies: ["ApusTokenizer", "ApusGGUF"],
            exclude: ["tokenizer_oracle.py", "tokenizer_texts.py"], swiftSettings: swiftSettings),
        .testTarget(
            name: "ApusTemplateTests", dependencies: ["ApusTemplate", "ApusJSON", "ApusGGUF"],
            exclude: ["template_oracle.py", "template_constructs.py", "template_conversations.py"],
            swiftSettings: swiftSettings),
        .target(
            name: "ApusTestSupport", dependencies: ["ApusModel", "ApusGGUF"], path: "Tests/Support",
            swiftSettings: swiftSettings),
        .testTarget(
            name: "ApusModelTests", dependencies: ["ApusModel", "ApusGGUF", "ApusTestSupport"],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "ApusTests",
            dependencies: [
                "Apus", "ApusModel", "ApusTokenizer", "ApusTemplate", "ApusJSON", "ApusGGUF", "ApusTestSupport",
            ],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "ApusServerTests",
            dependencies: [
                "ApusServer", "ApusAPI", "Apus", "ApusModel", "ApusTokenizer", "ApusTemplate", "ApusJSON", "ApusGGUF",
                "ApusTestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "ApusCLITests",
            dependencies: ["Apus", "ApusModel", "ApusTokenizer", "ApusJSON", "ApusGGUF", "ApusCLI"],
            exclude: ["chat_terminal.py"],
            swiftSettings: swiftSettings),
        // Examples/swift, which is a package too: here its programs are compiled and tested without another build of Apus.
        .executableTarget(name: "ExampleGenerate", dependencies: ["Apus"], path: "Examples/swift/Sources/generate"),
        .executableTarget(name: "ExampleConverse", dependencies: ["Apus"], path: "Examples/swift/Sources/converse"),
        .target(
            name: "LanguageModelAdapter", dependencies: ["Apus"], path: "Examples/swift/Sources/LanguageModelAdapter"),
        .testTarget(
            name: "ExamplesTests",
            dependencies: ["Apus", "LanguageModelAdapter", "ExampleGenerate", "ExampleConverse"],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "CKernelsTests", path: "Tests/CKernelsTests/runner", swiftSettings: swiftSettings),
        .testTarget(name: "StyleTests", swiftSettings: swiftSettings),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c17
)
