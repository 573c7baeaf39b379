"""The signing policy as a cloud enforces it: a gate inside a job can be walked around by the job.

One module a cloud: each has ``compile_policy`` and ``terraform``. What is compiled is never wider
than the gate: a rule that would be is refused, and what a cloud cannot express is listed.
"""
