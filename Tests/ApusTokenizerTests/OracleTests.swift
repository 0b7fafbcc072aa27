// Real vocabularies against `tokenizers`, `tiktoken` and `sentencepiece`, ten thousand random texts each, and others.

import ApusGGUF
import ApusTokenizer
import Foundation
import Testing

struct OracleTests {
    @Test(arguments: ["smollm2", "gpt2", "llama3", "llama4", "qwen2", "tekken", "deepseek", "mistral1", "mistral3"])
    func sameIDs(vocabulary: String) throws {
        try compare(vocabulary, model: vocabulary == "smollm2" ? TestFiles.smolLM2 : nil)
    }

    @Test(.enabled("no Gemma: `make models` fetches it") { FileManager.default.fileExists(atPath: TestFiles.gemma3) })
    func sameIDsOfGemma() throws {
        try compare("gemma3", model: TestFiles.gemma3)
    }

    private func compare(_ vocabulary: String, model: String?) throws {
        let (metadata, runs) = try Oracle.run([vocabulary] + (model.map { [$0] } ?? [])) { folder in
            let metadata = try TestFiles.metadata(model ?? folder.appendingPathComponent("vocabulary.gguf").path)
            return (metadata, try OracleRun.read(folder, metadata))
        }
        #expect(!runs.isEmpty)
        for run in runs {
            let tokenizer = try Tokenizers.make(metadata.replacing(run.changes))
            #expect(run.cases.count > 10_000)
            var differences: [String] = []
            for item in run.cases {
                for (parse, wanted) in [(false, item.plain), (true, item.special)] {
                    let found = tokenizer.encode(item.text, addSpecial: false, parseSpecial: parse)
                    if found != wanted {
                        let text = String(decoding: item.text, as: UTF8.self).debugDescription.prefix(300)
                        differences.append("\(text): \(found), wanted \(wanted)")
                    }
                    // SmolLM2 has no token for some bytes; SentencePiece takes U+2581 for a space.
                    if vocabulary != "smollm2", !item.text.contains(0x81) {
                        #expect(try tokenizer.decode(found, renderSpecial: true) == item.text)
                    }
                }
            }
            let summary = "\(vocabulary), \(run.name): \(differences.count) of \(2 * run.cases.count) differ"
            #expect(differences.isEmpty, "\(summary)\n\(differences.prefix(5).joined(separator: "\n"))")
        }
    }

    /// The ids that the f64 reference of the model was made with.
    @Test func referenceIDs() throws {
        struct Text: Decodable {
            let name: String
            let text: String?
            let ids: [Int32]
        }
        let path = TestFiles.repository.appendingPathComponent("Tests/Reference/smollm2-135m-instruct-q4_1.json")
        let texts = try JSONDecoder().decode([Text].self, from: Data(contentsOf: path))
        let tokenizer = try Tokenizers.make(TestFiles.smolLM2Metadata())
        #expect(texts.contains { $0.text != nil })
        for item in texts {
            if let text = item.text {
                #expect(tokenizer.encode(text, addSpecial: true, parseSpecial: true) == item.ids, "\(item.name)")
            } else {
                // Only ids are there: their text must give them again.
                let bytes = try tokenizer.decode(item.ids, renderSpecial: true)
                #expect(tokenizer.encode(bytes, addSpecial: true, parseSpecial: true) == item.ids, "\(item.name)")
            }
        }
    }

    @Test func smolLM2Facts() throws {
        let tokenizer = try Tokenizers.make(TestFiles.smolLM2Metadata())
        #expect(tokenizer.vocabularySize == 49152)
        #expect(tokenizer.bosID == 1)
        #expect(tokenizer.eosID == 2)
        #expect(!tokenizer.addsBOS)
        #expect(!tokenizer.addsEOS)
        // <|endoftext|>, <|im_end|>, <reponame>
        #expect(tokenizer.endOfGenerationIDs == [0, 2, 4])
        #expect(tokenizer.isSpecial(1))
        #expect(!tokenizer.isSpecial(504))
        #expect(tokenizer.tokenText(504) == "The")
        #expect(tokenizer.tokenText(3575) == "Ġcapital")
        #expect(tokenizer.bytes(of: 3575, renderSpecial: false) == Array(" capital".utf8))
        #expect(tokenizer.bytes(of: 1, renderSpecial: false) == [])
        #expect(tokenizer.bytes(of: 1, renderSpecial: true) == Array("<|im_start|>".utf8))
        #expect(tokenizer.bytes(of: -1, renderSpecial: true) == [])
        #expect(tokenizer.bytes(of: .max, renderSpecial: true) == [])
    }
}
