// Tables of results in the formats that llama-bench writes.

package import ApusJSON

/// The forms of a report.
package enum ReportFormat: String, CaseIterable, Sendable {
    /// A table for people.
    case md
    /// Comma-separated values, all quoted, without arrays.
    case csv
    /// One array of objects.
    case json
    /// An object a line.
    case jsonl
}

/// A column of the table for people.
package struct ReportColumn {
    /// The head.
    package var title: String
    /// The least number of characters.
    package var width: Int
    /// Whether the text begins at the left, as words do, and not at the right, as numbers do.
    package var isText = false

    /// A column.
    ///
    /// - Parameters:
    ///   - title: The head.
    ///   - width: The least number of characters.
    ///   - isText: Whether the text begins at the left.
    package init(_ title: String, _ width: Int, isText: Bool = false) {
        self.title = title
        self.width = width
        self.isText = isText
    }
}

/// A row in both forms.
package struct ReportRow {
    /// For programs: members in order, the same in all rows.
    package var members: [JSONValue.Member]
    /// For people: a text for each column.
    package var cells: [String]

    /// A row.
    ///
    /// - Parameters:
    ///   - members: Members in order.
    ///   - cells: A text for each column.
    package init(members: [JSONValue.Member], cells: [String]) {
        self.members = members
        self.cells = cells
    }
}

/// Writes a report piece by piece, so that rows can be read as soon as they are there.
package struct ReportWriter {
    private let format: ReportFormat
    private let columns: [ReportColumn]
    private var rows = 0

    /// Begins a report.
    ///
    /// - Parameters:
    ///   - format: Its form.
    ///   - columns: The columns of the table for people.
    package init(_ format: ReportFormat, columns: [ReportColumn]) {
        self.format = format
        self.columns = columns
    }

    /// What comes before the first row.
    package var header: String {
        switch format {
        case .csv, .jsonl: ""
        case .json: "[\n"
        case .md:
            line(columns.map(\.title))
                + "|"
                + columns.map { " \(String(repeating: "-", count: $0.width - 1))\($0.isText ? "-" : ":") |" }.joined()
                + "\n"
        }
    }

    /// A row.
    ///
    /// - Parameter row: Has as many cells as there are columns.
    /// - Returns: The text that stands for it, with what separates it from the row before.
    package mutating func text(_ row: ReportRow) -> String {
        defer { rows += 1 }
        switch format {
        case .md: return line(row.cells)
        case .jsonl: return JSONValue.object(row.members).text + "\n"
        case .json:
            let object = String(decoding: JSONValue.object(row.members).bytes(indented: true), as: UTF8.self)
            let lines = object.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n")
            return rows == 0 ? lines : ",\n" + lines
        case .csv:
            let members = row.members.filter { if case .array = $0.value { false } else { true } }
            let head = rows == 0 ? members.map(\.name).joined(separator: ",") + "\n" : ""
            return head + members.map { quoted(plain($0.value)) }.joined(separator: ",") + "\n"
        }
    }

    /// What comes after the last row.
    ///
    /// - Parameter notes: Lines for people.
    /// - Returns: The end of the text.
    package func footer(notes: [String]) -> String {
        switch format {
        case .csv, .jsonl: ""
        case .json: rows == 0 ? "]\n" : "\n]\n"
        case .md: "\n" + notes.map { "\($0)\n" }.joined()
        }
    }

    private func line(_ cells: [String]) -> String {
        "|" + zip(columns, cells).map { " \(padded($1, $0)) |" }.joined() + "\n"
    }

    private func padded(_ text: String, _ column: ReportColumn) -> String {
        let spaces = String(repeating: " ", count: max(0, column.width - text.count))
        return column.isText ? text + spaces : spaces + text
    }

    /// A value as llama-bench's CSV has it: booleans are 0 and 1.
    private func plain(_ value: JSONValue) -> String {
        switch value {
        case .null: ""
        case .bool(let value): value ? "1" : "0"
        case .string(let value): value
        default: value.text
        }
    }

    private func quoted(_ text: String) -> String {
        "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
}
