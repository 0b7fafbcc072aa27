// swift-tools-version: 6.3
// Programs that use Apus as a package. Only the product Apus is built: nothing of the server, and no other package.
import PackageDescription

let package = Package(
    name: "apus-examples",
    products: [.library(name: "LanguageModelAdapter", targets: ["LanguageModelAdapter"])],
    // In a package of your own: .package(url: …, from: …).
    dependencies: [.package(name: "apus", path: "../..")],
    targets: [
        .executableTarget(name: "generate", dependencies: [.product(name: "Apus", package: "apus")]),
        .executableTarget(name: "converse", dependencies: [.product(name: "Apus", package: "apus")]),
        .target(name: "LanguageModelAdapter", dependencies: [.product(name: "Apus", package: "apus")]),
    ],
    swiftLanguageModes: [.v6]
)
