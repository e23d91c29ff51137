#!/usr/bin/python3
"""khien sample: counts the records of files, whatever their format."""
import cli


class SampleTest(cli.CliTest):
    def test_counts(self):
        self.scratch.write("a.log", cli.EVENTS)
        result = self.scratch.khien("sample", "a.log")
        self.assertEqual((result.status, result.out), (0, b"a.log: 4 records, json\n"), result.err)

    def test_total(self):
        self.scratch.write("a.log", cli.EVENTS)
        result = self.scratch.khien("sample", "--total", "a.log", "-", stdin=cli.FAILED.encode())
        self.assertEqual((result.status, result.out), (0, b"5 records\n"), result.err)

    def test_trouble(self):
        self.scratch.write("a.log", cli.EVENTS)
        result = self.scratch.khien("sample", "nowhere", "a.log")
        self.assertEqual((result.status, result.out), (2, b"a.log: 4 records, json\n"))
        self.assertIn("nowhere", result.err)
        self.assertEqual(self.scratch.khien("sample").status, 2)


if __name__ == "__main__":
    cli.main()
