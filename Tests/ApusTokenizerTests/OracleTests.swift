// Real vocabularies against `tokenizers` and `tiktoken`, thousands of texts each.

import ApusGGUF
import ApusTokenizer
import Foundation
import Testing

struct OracleTests {
    @Test(arguments: ["smollm2", "gpt2", "llama3"])
    func sameIDs(vocabulary: String) throws {
        let arguments = vocabulary == "smollm2" ? [vocabulary, TestFiles.smolLM2] : [vocabulary]
        let model = vocabulary == "smollm2" ? try TestFiles.smolLM2Metadata() : nil
        let (metadata, runs) = try Oracle.run(arguments) { folder in
            let cases = try Data(contentsOf: folder.appendingPathComponent("cases.json"))
            let own = folder.appendingPathComponent("vocabulary.gguf").path
            return (
                try model ?? GGUFFile(path: own).metadata, try JSONDecoder().decode([OracleRun].self, from: cases)
            )
        }
        for run in runs {
            let tokenizer = try Tokenizers.make(variant(of: metadata, run))
            #expect(run.cases.count > 2000)
            var differences: [String] = []
            for item in run.cases {
                for (parse, wanted) in [(false, item.plain), (true, item.special)] {
                    let found = tokenizer.encode(item.text, addSpecial: false, parseSpecial: parse)
                    if found != wanted {
                        differences.append("\(item.text.debugDescription.prefix(300)): \(found), wanted \(wanted)")
                    }
                }
                // SmolLM2 has no token for some bytes; the others have all.
                if vocabulary != "smollm2" {
                    let ids = tokenizer.encode(item.text, addSpecial: false, parseSpecial: true)
                    #expect(try tokenizer.decode(ids, renderSpecial: true) == Array(item.text.utf8))
                }
            }
            let summary = "\(vocabulary), \(run.pre): \(differences.count) of \(2 * run.cases.count) differ"
            #expect(differences.isEmpty, "\(summary)\n\(differences.prefix(5).joined(separator: "\n"))")
        }
    }

    private func variant(of metadata: Metadata, _ run: OracleRun) throws -> Metadata {
        var types = try #require(try metadata.optionalInt32Array("tokenizer.ggml.token_type"))
        for change in run.types { types[change.id] = change.type }
        return metadata.replacing([
            "tokenizer.ggml.pre": .string(run.pre), "tokenizer.ggml.token_type": .numbers(GGUFNumberArray(types)),
        ])
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
