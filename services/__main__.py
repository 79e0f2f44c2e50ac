"""`python -m services`: the embedded system. The command line has more: `backbeat serve --help`."""

if __name__ == "__main__":
    # Composition lies outside the services, since none of them may import another.
    import runpy

    runpy.run_module("backbeat", run_name="__main__")
