@echo off
cd /d "%~dp0"
rem Records Coinalyze's ratios and liquidations until it is closed, if a key is set; arguments are passed on.
set "RUN=py -3"
for %%P in (py.exe) do if "%%~$PATH:P"=="" set "RUN=python"
if exist "..\.venv\Scripts\python.exe" set "RUN=..\.venv\Scripts\python.exe"
%RUN% coinalyze_exporter.py %*
set "OUTCOME=%ERRORLEVEL%"
rem Started by a double click and failed: keep the window open, so that the reason can be read.
setlocal EnableDelayedExpansion
if not "%OUTCOME%"=="0" if not "!CMDCMDLINE:%~nx0=!"=="!CMDCMDLINE!" pause
exit /b %OUTCOME%
